"""The watch of the event loop, which every stream goes through: how late it runs a timer."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence

from telemetry.metrics import instruments_gateway as metric
from telemetry.metrics.sink import MetricsSink
from telemetry.record import RequestRecord
from telemetry.watches.background import BackgroundTask

LAG_INTERVAL_S = 0.5
"""The time between two measurements of the event loop's lag."""

LAGS_KEPT = 120
"""A minute of them."""

REFRESH_EVERY = 10
"""Lag measurements per reading of the sources (5 s)."""


class EventLoopMonitor(BackgroundTask):
    """A task on the gateway's event loop: measures its lag, and refreshes the sink's sources. `running` are
    the requests under way: the oldest one is the example of the lag that it met.
    """

    def __init__(
        self,
        sink: MetricsSink,
        running: Callable[[], Sequence[RequestRecord]] = list,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink = sink
        self._running = running
        self._clock = clock
        self._lags_s: deque[float] = deque(maxlen=LAGS_KEPT)

    @property
    def worst_lag_s(self) -> float | None:
        """The longest lag of the last minute; None before the first measurement."""
        return max(self._lags_s, default=None)

    async def _run(self) -> None:
        for measured in itertools.count(1):
            began = self._clock()
            await asyncio.sleep(LAG_INTERVAL_S)
            self._lags_s.append(max(0.0, self._clock() - began - LAG_INTERVAL_S))
            oldest = next(iter(self._running()), None)
            self._sink.record(
                metric.LOOP_LAG, self._lags_s[-1], trace=None if oldest is None else oldest.trace
            )
            if measured % REFRESH_EVERY == 0:
                self._sink.refresh()
