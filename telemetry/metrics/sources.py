"""Sources: figures of the gateway process, its store, its
exporters and its disk, read when metrics are, not pushed.

Each names its instruments and is made of the parts that it
reads; `telemetry.metrics.catalog.SOURCES` lists them all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, Self

import psutil

from telemetry.health import StoreHealth
from telemetry.metrics import instruments_gateway as metric
from telemetry.metrics.instrument import Instrument
from telemetry.metrics.instruments import ENERGY
from telemetry.metrics.outlets import Outlets
from telemetry.polled import Polled
from telemetry.semconv import installed
from telemetry.trace_ids import TraceIds


class StoreStats(Protocol):
    """The figures of the store's writer (see `telemetry.store.writer.StoreSink`)."""

    @property
    def file_size(self) -> Polled[int | None]:
        """Bytes on disk, None where the database is not a file of ours."""

    def health(self) -> StoreHealth:
        """Its state now."""

    def take_flushes(self) -> list[tuple[float, TraceIds | None]]:
        """Seconds of each transaction since the last call, and the trace of a request that it completed."""


class ExportStats(Protocol):
    """The figures of the OTLP exporters (see `telemetry.otlp.providers.Providers`)."""

    def totals(self) -> Mapping[tuple[Instrument, str], int]:
        """(instrument, `error.type` or '') → items since the start."""


class EnergyStats(Protocol):
    """The figures of the energy meter (see `telemetry.energy.meter.EnergyMeter`)."""

    def totals(self) -> Mapping[str, float]:
        """State (active, idle) → joules since the start; empty where no source is read."""


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


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a gateway that sources read; `disk` is None where there is no home folder."""

    store: StoreStats
    exporters: ExportStats
    energy: EnergyStats
    disk: Polled[DiskRoom] | None = None


class GatewaySource(ABC):
    """A `telemetry.metrics.outlets.Source` that is made with the gateway, once."""

    name: ClassVar[str]
    """Of its failures (`firsttoken.telemetry.source.failures`)."""
    instruments: ClassVar[tuple[Instrument, ...]]
    """All that it records."""

    @classmethod
    @abstractmethod
    def of(cls, parts: Parts) -> Self | None:
        """The source of a gateway; None where there is nothing to read."""

    @abstractmethod
    def collect(self, out: Outlets) -> None:
        """Record what is true now."""


class StoreSource(GatewaySource):
    """The store's queue, losses, transactions and size."""

    name = "store"
    instruments = (
        metric.STORE_QUEUE,
        metric.STORE_DROPPED,
        metric.STORE_PRUNED,
        metric.STORE_FLUSH,
        metric.STORE_FILE_SIZE,
        metric.STORE_FILE_LIMIT,
    )

    def __init__(self, stats: StoreStats) -> None:
        self._stats = stats

    @classmethod
    def of(cls, parts: Parts) -> Self:
        return cls(parts.store)

    def collect(self, out: Outlets) -> None:
        """The size comes last: where it cannot be read, that fails, and the rest is recorded already."""
        health = self._stats.health()
        out.record(metric.STORE_QUEUE, health.queued)
        out.total(metric.STORE_DROPPED, health.dropped)
        out.total(metric.STORE_PRUNED, health.pruned)
        for seconds, trace in self._stats.take_flushes():
            out.record(metric.STORE_FLUSH, seconds, trace=trace)
        size = self._stats.file_size.newest()
        if size is not None:
            out.record(metric.STORE_FILE_SIZE, size)
            if health.max_bytes:
                out.record(metric.STORE_FILE_LIMIT, health.max_bytes)


class DiskSource(GatewaySource):
    """Room on the file system that a folder is on, by the OpenTelemetry system conventions."""

    name = "disk"
    instruments = (metric.FILESYSTEM_USAGE,)

    def __init__(self, room: Polled[DiskRoom]) -> None:
        self._room = room

    @classmethod
    def of(cls, parts: Parts) -> Self | None:
        return None if parts.disk is None else cls(parts.disk)

    def collect(self, out: Outlets) -> None:
        room = self._room.newest()
        if room is not None:
            out.level(metric.FILESYSTEM_USAGE, room.used_bytes, "used")
            out.level(metric.FILESYSTEM_USAGE, room.free_bytes, "free")


class ExportSource(GatewaySource):
    """Items that the exporters sent, failed to send, and dropped."""

    name = "exporters"
    instruments = (
        metric.SDK_EXPORTED_SPANS,
        metric.SDK_EXPORTED_LOGS,
        metric.SDK_EXPORTED_POINTS,
        metric.SDK_PROCESSED_SPANS,
        metric.SDK_PROCESSED_LOGS,
    )

    def __init__(self, stats: ExportStats) -> None:
        self._stats = stats

    @classmethod
    def of(cls, parts: Parts) -> Self:
        return cls(parts.exporters)

    def collect(self, out: Outlets) -> None:
        for (instrument, error_type), total in self._stats.totals().items():
            out.total(instrument, total, error_type)


class EnergySource(GatewaySource):
    """Joules by state."""

    name = "energy"
    instruments = (ENERGY,)

    def __init__(self, stats: EnergyStats) -> None:
        self._stats = stats

    @classmethod
    def of(cls, parts: Parts) -> Self:
        return cls(parts.energy)

    def collect(self, out: Outlets) -> None:
        for state, joules in self._stats.totals().items():
            out.total(ENERGY, joules, state)


class ProcessSource(GatewaySource):
    """CPU time, memory and file descriptors of this process, by the OpenTelemetry process conventions."""

    name = "process"
    instruments = (metric.PROCESS_CPU_TIME, metric.PROCESS_MEMORY, metric.PROCESS_FDS)

    def __init__(self) -> None:
        self._process = psutil.Process()

    @classmethod
    def of(cls, _parts: Parts) -> Self:
        return cls()

    def collect(self, out: Outlets) -> None:
        with self._process.oneshot():
            cpu = self._process.cpu_times()
            out.total(metric.PROCESS_CPU_TIME, cpu.user, "user")
            out.total(metric.PROCESS_CPU_TIME, cpu.system, "system")
            out.level(metric.PROCESS_MEMORY, self._process.memory_info().rss)
            if hasattr(self._process, "num_fds"):  # Windows has none
                out.record(metric.PROCESS_FDS, self._process.num_fds())


class BuildSource(GatewaySource):
    """The version that runs; it never changes, but a gauge without a value is not there."""

    name = "build"
    instruments = (metric.BUILD_INFO,)

    @classmethod
    def of(cls, _parts: Parts) -> Self:
        return cls()

    def collect(self, out: Outlets) -> None:
        out.record(metric.BUILD_INFO, 1, installed())
