"""Between times and `seq`, the key of `requests`: wall-clock microseconds shifted left, so that time bounds are `seq` bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

SEQ_SHIFT = 10
"""Bits below the microseconds (`telemetry.recorder.Recorder` counts there)."""

_EPOCH = datetime.fromtimestamp(0, UTC)


def seq_at(moment: datetime) -> int:
    """The smallest `seq` of a request admitted at this time (aware)."""
    return (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1) << SEQ_SHIFT


def moment_of(seq: int) -> datetime:
    """When a request was admitted (UTC)."""
    return _EPOCH + timedelta(microseconds=seq >> SEQ_SHIFT)
