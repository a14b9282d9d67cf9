"""How long those who wait for a first token have still to wait, for the metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from telemetry.events import EngineState, EngineStatus
from telemetry.metrics import instruments as metric
from telemetry.metrics.sink import MetricsSink


class Engine(Protocol):
    """Of an engine's handle (`gateway.serving.engine_handle`), what is asked here."""

    @property
    def model(self) -> str:
        """Its name."""

    @property
    def status(self) -> EngineStatus:
        """Its state."""

    @property
    def awaiting(self) -> int:
        """Requests without a first token."""

    def next_start_ms(self, now_ns: int) -> float | None:
        """Until the next first token, where it is predicted."""


class PredictedWait:
    """A source of metrics: of each engine that is ready, until the next first token, by its own prediction; 0 while nobody waits,
    and nothing where they wait and none of them is predicted.
    """

    name = "predicted_wait"

    def __init__(self, handles: Sequence[Engine], clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._handles = handles
        self._clock_ns = clock_ns

    def collect(self, sink: MetricsSink) -> None:
        now_ns = self._clock_ns()
        for handle in self._handles:
            next_ms = handle.next_start_ms(now_ns) if handle.awaiting else 0.0
            if next_ms is None or handle.status.state is not EngineState.READY:
                sink.forget(metric.PREDICTED_WAIT, handle.model)
            else:
                sink.record(metric.PREDICTED_WAIT, max(0.0, next_ms) / 1e3, handle.model)
