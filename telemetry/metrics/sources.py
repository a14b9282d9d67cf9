"""Figures of the gateway process, its store and its exporters, read now and then rather than pushed."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from telemetry.metrics import instruments as metric
from telemetry.metrics.instrument import Instrument
from telemetry.metrics.sink import MetricsSink
from telemetry.otlp.sampling import Sampled
from telemetry.record import RequestRecord
from telemetry.semconv import installed
from telemetry.trace_ids import TraceIds
from telemetry.watches.background import BackgroundTask

LAG_INTERVAL_S = 0.5
"""How often the event loop's lag is measured."""

LAGS_KEPT = 120
"""A minute of them."""

REFRESH_EVERY = 10
"""Lag measurements per reading of the sources (5 s)."""


class StoreStats(Protocol):
    """What the store's writer says about itself (see `telemetry.store.writer.StoreSink`)."""

    @property
    def queue_size(self) -> int:
        """Events that wait."""

    @property
    def dropped(self) -> int:
        """Events lost since the start."""

    @property
    def pruned(self) -> int:
        """Requests forgotten since the start."""

    def take_flushes(self) -> list[tuple[float, TraceIds | None]]:
        """Seconds of each transaction since the last call, and the trace of a request that it completed."""

    def file_size_bytes(self) -> int | None:
        """Bytes on disk, None where the database is not a file of ours."""


class ExportStats(Protocol):
    """What the OTLP exporters say about themselves (see `telemetry.otlp.providers.Providers`)."""

    def totals(self) -> Mapping[tuple[Instrument, str], int]:
        """(instrument, `error.type` or '') → items since the start."""


class EnergyStats(Protocol):
    """What the energy meter says (see `telemetry.energy.meter.EnergyMeter`)."""

    def totals(self) -> Mapping[str, float]:
        """State (active, idle) → joules since the start; empty where no source is read."""


class StoreSource:
    """The store's queue, losses, transactions and size; `limit_bytes` is what the size may come to, 0 where nothing bounds it."""

    name = "store"

    def __init__(self, stats: StoreStats, limit_bytes: int = 0, size: Sampled[int | None] | None = None) -> None:
        self._stats = stats
        self._limit_bytes = limit_bytes
        self.size = size or Sampled(stats.file_size_bytes)

    def collect(self, sink: MetricsSink) -> None:
        sink.record(metric.STORE_QUEUE, self._stats.queue_size)
        sink.total(metric.STORE_DROPPED, self._stats.dropped)
        sink.total(metric.STORE_PRUNED, self._stats.pruned)
        for seconds, trace in self._stats.take_flushes():
            sink.record(metric.STORE_FLUSH, seconds, trace=trace)
        size = self.size.newest()
        if size is not None:
            sink.record(metric.STORE_FILE_SIZE, size)
            if self._limit_bytes:
                sink.record(metric.STORE_FILE_LIMIT, self._limit_bytes)


@dataclass(frozen=True, slots=True)
class DiskRoom:
    """Room on the file system that a folder is on; used and free for us need not be all of it."""

    used_bytes: int
    free_bytes: int
    total_bytes: int

    @classmethod
    def of(cls, folder: Path) -> DiskRoom:
        """Ask the file system, which may take for ever.

        Raises:
            OSError: it cannot be asked.
        """
        usage = psutil.disk_usage(str(folder))
        return cls(usage.used, usage.free, usage.total)


class DiskSource:
    """Room on the file system that a folder is on, by the OpenTelemetry system conventions."""

    name = "disk"

    def __init__(self, room: Sampled[DiskRoom]) -> None:
        self._room = room

    def collect(self, sink: MetricsSink) -> None:
        room = self._room.newest()
        if room is not None:
            sink.level(metric.FILESYSTEM_USAGE, room.used_bytes, "used")
            sink.level(metric.FILESYSTEM_USAGE, room.free_bytes, "free")


class ExportSource:
    """What the exporters sent, failed to send, and dropped."""

    name = "exporters"

    def __init__(self, stats: ExportStats) -> None:
        self._stats = stats

    def collect(self, sink: MetricsSink) -> None:
        for (instrument, error_type), total in self._stats.totals().items():
            sink.total(instrument, total, error_type)


class EnergySource:
    """Joules by state."""

    name = "energy"

    def __init__(self, stats: EnergyStats) -> None:
        self._stats = stats

    def collect(self, sink: MetricsSink) -> None:
        for state, joules in self._stats.totals().items():
            sink.total(metric.ENERGY, joules, state)


class ProcessSource:
    """CPU time, memory and file descriptors of this process, by the OpenTelemetry process conventions."""

    name = "process"

    def __init__(self) -> None:
        self._process = psutil.Process()

    def collect(self, sink: MetricsSink) -> None:
        with self._process.oneshot():
            cpu = self._process.cpu_times()
            sink.total(metric.PROCESS_CPU_TIME, cpu.user, "user")
            sink.total(metric.PROCESS_CPU_TIME, cpu.system, "system")
            sink.level(metric.PROCESS_MEMORY, self._process.memory_info().rss)
            if hasattr(self._process, "num_fds"):  # Windows has none
                sink.record(metric.PROCESS_FDS, self._process.num_fds())


class BuildSource:
    """The version that runs; it never changes, but a gauge that is not told is not there."""

    name = "build"

    def collect(self, sink: MetricsSink) -> None:
        sink.record(metric.BUILD_INFO, 1, installed())


class SystemMonitor(BackgroundTask):
    """A task on the gateway's event loop: measures its lag, and refreshes the sink's sources. `running` are the requests
    under way: the oldest one is the example of the lag that it met.
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
        turn = 0
        while True:
            began = self._clock()
            await asyncio.sleep(LAG_INTERVAL_S)
            self._lags_s.append(max(0.0, self._clock() - began - LAG_INTERVAL_S))
            self._sink.record(metric.LOOP_LAG, self._lags_s[-1], trace=next((record.trace for record in self._running()), None))
            turn += 1
            if turn % REFRESH_EVERY == 0:
                self._sink.refresh()
