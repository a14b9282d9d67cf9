"""All of telemetry put together: the recorder, its sinks, and the order in which they start and stop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from telemetry.clock import WallClock
from telemetry.context_buckets import ContextBuckets
from telemetry.cost import Prices
from telemetry.energy.meter import EnergyMeter
from telemetry.energy.rapl import DEFAULT_PATH
from telemetry.energy.sources import NO_TELEMETRY, NVML, RAPL, find
from telemetry.health import ExporterHealth, StoreHealth
from telemetry.live import LiveSink
from telemetry.logs import output as log_lines
from telemetry.metrics.otel import OtelBackend
from telemetry.metrics.outlets import Backend
from telemetry.metrics.sink import MetricsSink, Source
from telemetry.metrics.sources import (
    BuildSource,
    DiskRoom,
    DiskSource,
    EnergySource,
    ExportSource,
    ProcessSource,
    StoreSource,
    SystemMonitor,
)
from telemetry.otlp import providers
from telemetry.otlp.logs import OtlpHandler
from telemetry.otlp.sampling import Sampled, read_or_none
from telemetry.record import RequestRecord
from telemetry.recorder import Recorder, Sink
from telemetry.redact import Redactor, without_passwords
from telemetry.slo import INTER_TOKEN, Objective
from telemetry.store.contents import Capture
from telemetry.store.engine import create_reader
from telemetry.store.retention import Retention
from telemetry.store.writer import OK, StoreSink
from telemetry.tracing.sink import SpanSink
from telemetry.watches.loads import LoadWatch
from telemetry.watches.slo import EVERY_S, SloWatch
from telemetry.watches.speed import SpeedWatch
from telemetry.watches.webhook import Webhook

DISPOSE_S = 2.0
"""Longest time of closing the readers' connections."""


@dataclass(frozen=True, slots=True)
class SloOptions:
    """Objectives, the days that their budgets are for, where changes of state are posted ('' is nowhere) as whose, and how
    often they are looked at (seconds).
    """

    objectives: tuple[Objective, ...] = ()
    window_days: float = 30.0
    webhook_url: str = ""
    gateway: str = ""
    every_s: float = EVERY_S

    @property
    def slow_gap_ms(self) -> float | None:
        """What is too long between two tokens; None where there is no objective for that."""
        return next((objective.threshold_ms for objective in self.objectives if objective.name == INTER_TOKEN), None)


@dataclass(frozen=True, slots=True)
class EnergyOptions:
    """Which sources of energy are looked for (`rapl`, `nvml`), where RAPL is, and what energy and tokens cost."""

    sources: tuple[str, ...] = (RAPL, NVML)
    rapl_path: Path = Path(DEFAULT_PATH)
    prices: Prices = field(default_factory=Prices)


@dataclass(frozen=True, slots=True)
class CaptureOptions:
    """Whether what is said in chats is kept in the store, how much of each text, and what is taken out besides the usual secrets."""

    content: bool = False
    max_text_chars: int = 65_536
    redact_patterns: tuple[str, ...] = ()


class TelemetryStack:
    """What the gateway tells of itself goes through `recorder`; pages read `live` and `reader`, scrapes `metrics`.

    With `enabled` False only the live view is kept: no spans, no metrics of requests, no rows, no lines. What is said in chats is noted only where `capture` or OpenTelemetry's own variable asks for it.
    """

    def __init__(
        self,
        *,
        env: Mapping[str, str],
        store_url: str,
        store_queue_size: int,
        buckets: ContextBuckets,
        served: Callable[[], Collection[str]],
        log_level: str,
        enabled: bool,
        home: Path | None = None,
        retention: Retention | None = None,
        slo: SloOptions | None = None,
        energy: EnergyOptions | None = None,
        capture: CaptureOptions | None = None,
        allowed_baggage: Sequence[str] = (),
        more_sinks: Sequence[Sink] = (),
    ) -> None:
        self.live = LiveSink()
        objectives, charged, kept = slo or SloOptions(), energy or EnergyOptions(), capture or CaptureOptions()
        self.prices = charged.prices
        self.energy = EnergyMeter(partial(find, charged.sources, charged.rapl_path))
        if not enabled:
            self.energy.report = NO_TELEMETRY
        self._redactor = Redactor(kept.redact_patterns)
        contents = Capture(self._redactor, kept.max_text_chars) if kept.content else None
        self._wall = WallClock()
        self.store = StoreSink(
            store_url, queue_size=store_queue_size, retention=retention, settle=self._settle, capture=contents, wall=self._wall
        )
        self._file_size = Sampled(self.store.file_size_bytes)
        self.disk = Sampled(partial(DiskRoom.of, home)) if home else None
        self.reader = create_reader(store_url)
        self._store_url = store_url
        self._enabled = enabled
        self._store_queue_size, self._max_bytes = store_queue_size, retention.max_bytes if retention else 0
        self._output = log_lines.configure(log_level)
        self._providers = providers.build(env if enabled else {})
        self._told = OtlpHandler(self._providers.logger, self._redactor) if self._providers.logger else None
        if self._told is not None:
            self._output.add(self._told)
        backends: list[Backend] = [OtelBackend(self._providers.meter)] if self._providers.meter else []
        self.metrics = MetricsSink(
            served, others=backends, sources=self._sources(), objectives=objectives.objectives, counts_requests=enabled
        )
        sinks: list[Sink] = [LoadWatch(), self.live, *more_sinks, *(self._sinks() if enabled else [])]
        self.recorder = Recorder(
            sinks,
            buckets,
            self._wall,
            keep_content=enabled and (kept.content or self._providers.capture_content),
            allowed_baggage=allowed_baggage,
            slow_gap_ms=objectives.slow_gap_ms,
        )
        self._monitor = SystemMonitor(self.metrics, self.live.running)
        self._watch = SpeedWatch(self.reader, self.recorder.speed_changed)
        self._webhook = Webhook(objectives.webhook_url, objectives.gateway) if objectives.webhook_url else None
        tell = self._webhook.tell if self._webhook else lambda _report, _was: None
        self.slo = SloWatch(self.reader, self.metrics, objectives.objectives, objectives.window_days, tell, objectives.every_s)

    def _sources(self) -> list[Source]:
        """What is read at each scrape, not told as it happens."""
        return [
            StoreSource(self.store, self._max_bytes, self._file_size),
            ExportSource(self._providers),
            EnergySource(self.energy),
            ProcessSource(),
            BuildSource(),
            *([DiskSource(self.disk)] if self.disk else []),
        ]

    def _sinks(self) -> list[Sink]:
        sinks: list[Sink] = [self.energy, self.store, self.metrics, log_lines.LogSink(self._providers.logger)]
        if self._providers.tracer is not None:
            sinks.append(
                SpanSink(self._providers.tracer, capture_content=self._providers.capture_content, redactor=self._redactor, wall=self._wall)
            )
        return sinks

    def _settle(self, records: Sequence[RequestRecord]) -> None:
        """Energy first: it has a price. Called on the store's thread."""
        self.energy.settle(max((record.ended_ns or 0 for record in records), default=0))
        for record in records:
            record.cost = self.prices.cost_of(record)

    def store_health(self) -> StoreHealth:
        """The store's writer now, without secrets."""
        store, now_s = self.store, time.monotonic()
        state, flushed_s, failure = store.state, store.flushed_s, store.failure
        opening = flushed_s is None and failure is None
        return StoreHealth(
            error="" if opening or state == OK else without_passwords(state),
            opening=state if opening and self._enabled else "",
            queued=store.queue_size,
            queue_size=self._store_queue_size,
            dropped=store.dropped,
            file_bytes=read_or_none(self._file_size),
            max_bytes=self._max_bytes,
            flush_age_s=None if flushed_s is None else now_s - flushed_s,
            enabled=self._enabled,
            refused=store.losses.bad,
            failure="" if failure is None else without_passwords(failure[0]),
            failure_age_s=None if failure is None else now_s - failure[1],
        )

    def disk_room(self) -> DiskRoom | None:
        """Room on the disk of the home folder; None where it cannot be asked now."""
        return None if self.disk is None else read_or_none(self.disk)

    def exporter_health(self) -> list[ExporterHealth]:
        """Each OTLP exporter now."""
        return self._providers.health()

    def loop_lag_s(self) -> float | None:
        """The event loop's worst lag of the last minute."""
        return self._monitor.worst_lag_s

    async def start(self) -> None:
        """Begin. Nothing waits for the database: the store's thread opens it, and takes what happens meanwhile from its queue."""
        if self._enabled:
            self.store.start()
            self.energy.start()
            self._watch.start()
            self.slo.start()
        self.metrics.refresh()  # what is sampled is there when somebody asks
        self._monitor.start()

    async def stop(self, deadline_s: float) -> None:
        """Write and send what waits, within the deadline."""
        await self._monitor.stop()
        await self._watch.stop()
        await self.slo.stop()
        if self._webhook is not None:
            await self._webhook.stop()
        if self._told is not None:
            self._output.remove(self._told)
        if self._enabled:
            await asyncio.gather(
                asyncio.to_thread(self.store.stop, deadline_s),
                asyncio.to_thread(self._providers.shutdown, deadline_s),
            )
            self.energy.stop()
        with contextlib.suppress(TimeoutError):  # connections to a server that says nothing end with the process
            async with asyncio.timeout(DISPOSE_S):
                await self.reader.dispose()
        self._output.stop()
