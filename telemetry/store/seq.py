"""Times as `seq`, the key of `requests`, and back: wall-clock
microseconds shifted left, so that time bounds are `seq` bounds.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

SEQ_SHIFT = 10
"""Bits below the microseconds (`telemetry.recorder.Recorder` counts there)."""

MAX_SEQ = 2**63 - 1
"""The largest value of a column: the year 2262."""

_EPOCH = datetime.fromtimestamp(0, UTC)


def seq_at(moment: datetime) -> int:
    """The smallest `seq` of a request admitted at this time (aware); the nearest possible one for a time
    before 1970 or too far on.
    """
    return min(max(0, (moment - _EPOCH) // timedelta(microseconds=1) << SEQ_SHIFT), MAX_SEQ)


def moment_of(seq: int) -> datetime:
    """The time at which a request was admitted (UTC)."""
    return _EPOCH + timedelta(microseconds=seq >> SEQ_SHIFT)
