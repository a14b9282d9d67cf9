"""How long those who wait for a first token have still to wait, for the metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from gateway.serving.handle import Handle
from telemetry.events import EngineState
from telemetry.metrics import instruments as metric
from telemetry.metrics.outlets import Outlets


class PredictedWait:
    """A source of metrics: of each handle that is ready, until the next first token, by its own prediction; 0
    while nobody waits, and nothing where they wait and none of them is predicted.
    """

    name = "predicted_wait"
    instruments = (metric.PREDICTED_WAIT,)

    def __init__(
        self, handles: Callable[[], Sequence[Handle]], clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._handles = handles
        self._clock_ns = clock_ns

    def collect(self, out: Outlets) -> None:
        now_ns = self._clock_ns()
        for handle in self._handles():
            next_ms = handle.next_start_ms(now_ns) if handle.awaiting else 0.0
            if next_ms is None or handle.status.state is not EngineState.READY:
                out.forget(metric.PREDICTED_WAIT, handle.model)
            else:
                out.record(metric.PREDICTED_WAIT, max(0.0, next_ms) / 1e3, handle.model)
