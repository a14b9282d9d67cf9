"""Where values of metrics go: the backends, and the sums that turn somebody else's totals into increments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from telemetry.metrics.instrument import Instrument
from telemetry.trace_ids import TraceIds


class Backend(Protocol):
    """Where values go. `labels` are in the instrument's order, '' where a label does not apply."""

    def record(self, instrument: Instrument, value: float, labels: tuple[str, ...], trace: TraceIds | None) -> None:
        """Record one value, with the trace that it is an example of."""

    def record_many(self, instrument: Instrument, values: Sequence[float], labels: tuple[str, ...], trace: TraceIds | None = None) -> None:
        """Record several values of one series; the trace is an example of the largest."""

    def forget(self, instrument: Instrument, labels: tuple[str, ...]) -> None:
        """Let go of a gauge's series: nothing is known of it any more."""


class Outlets:
    """Hands every value to every backend."""

    def __init__(self, backends: Sequence[Backend]) -> None:
        self._backends = tuple(backends)
        self._totals: dict[tuple[Instrument, tuple[str, ...]], float] = {}

    def record(self, instrument: Instrument, value: float, *labels: str, trace: TraceIds | None = None) -> None:
        """Hand one value to every backend."""
        for backend in self._backends:
            backend.record(instrument, value, labels, trace)

    def record_many(self, instrument: Instrument, values: Sequence[float], *labels: str, trace: TraceIds | None = None) -> None:
        """Hand several values of one series to every backend; the trace is an example of the largest."""
        for backend in self._backends:
            backend.record_many(instrument, values, labels, trace)

    def forget(self, instrument: Instrument, *labels: str) -> None:
        """Let go of a gauge's series."""
        for backend in self._backends:
            backend.forget(instrument, labels)

    def total(self, instrument: Instrument, value: float, *labels: str) -> None:
        """Bring a counter to a total that somebody else counts; a total that fell is a new count from 0."""
        before = self._totals.get((instrument, labels), 0.0)
        self._totals[(instrument, labels)] = value
        self.record(instrument, value - before if value >= before else value, *labels)

    def level(self, instrument: Instrument, value: float, *labels: str) -> None:
        """Bring an up-down counter to a level that somebody else reads."""
        before = self._totals.get((instrument, labels), 0.0)
        self._totals[(instrument, labels)] = value
        self.record(instrument, value - before, *labels)
