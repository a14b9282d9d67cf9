"""Outlets of metrics: hand values to every backend; some values come from sources, which are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from telemetry.metrics.instrument import Instrument
from telemetry.trace_ids import TraceIds


class MetricsBackend(Protocol):
    """A place where values go. `labels` are in the instrument's order, '' where a label does not apply."""

    def declare(self, instrument: Instrument) -> None:
        """Make room for an instrument, before its first value; a second call changes nothing."""

    def record(
        self, instrument: Instrument, value: float, labels: tuple[str, ...], trace: TraceIds | None
    ) -> None:
        """Record one value, with the trace that it is an example of."""

    def record_many(
        self,
        instrument: Instrument,
        values: Sequence[float],
        labels: tuple[str, ...],
        trace: TraceIds | None = None,
    ) -> None:
        """Record several values of one series; the trace is an example of the largest."""

    def forget(self, instrument: Instrument, labels: tuple[str, ...]) -> None:
        """Let go of a gauge's series: nothing is known of it any more."""


class Source(Protocol):
    """Something that is read when metrics are. It must not wait for anything, since it is asked on the event
    loop; if it raises, that is counted under its `name`.
    """

    @property
    def name(self) -> str:
        """A word."""

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """All that it records."""

    def collect(self, out: Outlets) -> None:
        """Record what is true now."""


class Outlets:
    """Hands every value to every backend."""

    def __init__(self, backends: Sequence[MetricsBackend]) -> None:
        self._backends = tuple(backends)
        self._totals: dict[tuple[Instrument, tuple[str, ...]], float] = {}

    def declare(self, instrument: Instrument) -> None:
        """Make every backend ready for an instrument that is not in the catalog."""
        for backend in self._backends:
            backend.declare(instrument)

    def record(
        self, instrument: Instrument, value: float, *labels: str, trace: TraceIds | None = None
    ) -> None:
        """Hand one value to every backend."""
        for backend in self._backends:
            backend.record(instrument, value, labels, trace)

    def record_many(
        self, instrument: Instrument, values: Sequence[float], *labels: str, trace: TraceIds | None = None
    ) -> None:
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
