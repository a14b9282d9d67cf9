"""Model loads that requests waited for, or that a stall of
theirs fell into: a load takes the machine's memory bandwidth.

A sink that must come before those that keep records: it completes `RequestRecord.delayed_by`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from telemetry.events import DelayCause, EngineState, EngineStatus, Phase, RequestDelay
from telemetry.record import RequestRecord
from telemetry.recorder import NullSink

MAX_LOADS = 256
"""Ended loads that are remembered."""

LOADING = frozenset({EngineState.STARTING, EngineState.RESTARTING})


@dataclass(slots=True)
class ModelLoad:
    """One load of a model: monotonic nanoseconds, `end_ns` None while it lasts."""

    model: str
    start_ns: int
    end_ns: int | None = None


class LoadWatch(NullSink):
    """Notes when models are loaded, and which requests felt it."""

    def __init__(self, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock_ns = clock_ns
        self._loads: deque[ModelLoad] = deque(maxlen=MAX_LOADS)
        self._running: dict[str, ModelLoad] = {}

    def engine_status(self, status: EngineStatus) -> None:
        if status.state in LOADING and status.model not in self._running:
            self._running[status.model] = load = ModelLoad(status.model, self._clock_ns())
            self._loads.append(load)
        elif status.state not in LOADING and (ended := self._running.pop(status.model, None)) is not None:
            ended.end_ns = self._clock_ns()

    def completed(self, record: RequestRecord) -> None:
        waited = record.phase(Phase.MODEL_LOAD)
        own = (
            []
            if waited is None
            else [_delay(record.model, [(waited.start_ns, waited.end_ns - waited.start_ns)])]
        )
        found = [*own, *self._stalled(record)]
        if found:
            record.delayed_by = [*found, *record.delayed_by]

    def _stalled(self, record: RequestRecord) -> list[RequestDelay]:
        """Stalls that fell into the load of another model, by model; each counts with what it was longer than
        the median, which one that is over the objective need not be.
        """
        if not self._loads or record.first_token_ns is None:
            return []
        lost: dict[str, list[tuple[int, int]]] = {}
        median_ns = round((record.gap_ms(0.5) or 0.0) * 1e6)
        for start_ns, gap_ns in record.stalled_gaps():
            load = self._during(start_ns, start_ns + gap_ns)
            if load is not None and load.model != record.model and gap_ns > median_ns:
                lost.setdefault(load.model, []).append((start_ns, gap_ns - median_ns))
        return [_delay(model, times) for model, times in lost.items()]

    def _during(self, start_ns: int, end_ns: int) -> ModelLoad | None:
        return next(
            (
                load
                for load in self._loads
                if load.start_ns < end_ns and (load.end_ns is None or load.end_ns > start_ns)
            ),
            None,
        )


def _delay(model: str | None, times: list[tuple[int, int]]) -> RequestDelay:
    """Of (start, length) pairs in nanoseconds."""
    at_ns, longest_ns = max(times, key=lambda pair: pair[1])
    return RequestDelay(
        DelayCause.MODEL_LOAD, None, sum(length for _, length in times), len(times), longest_ns, at_ns, model
    )
