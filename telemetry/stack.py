"""All of telemetry put together: the recorder, its sinks, and the order in which they start and stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial

from telemetry.clock import WallClock
from telemetry.energy.meter import EnergyMeter
from telemetry.energy.sources import NO_TELEMETRY, find
from telemetry.health import ExporterHealth, StoreHealth
from telemetry.live import LiveSink
from telemetry.logs import output as log_lines
from telemetry.metrics.catalog import sources_of
from telemetry.metrics.otel import OtelBackend
from telemetry.metrics.sink import MetricsSink
from telemetry.metrics.sources import DiskRoom, Parts
from telemetry.options import TelemetryOptions
from telemetry.otlp import providers
from telemetry.otlp.logs import OtlpHandler
from telemetry.polled import Polled
from telemetry.record import RequestRecord
from telemetry.recorder import Recorder, Sink
from telemetry.redact import Redactor
from telemetry.slo import ObjectiveReport, State
from telemetry.store.contents import Capture
from telemetry.store.engine import create_reader
from telemetry.store.writer import StoreSink
from telemetry.tracing.sink import SpanSink
from telemetry.watches.event_loop import EventLoopMonitor
from telemetry.watches.loads import LoadWatch
from telemetry.watches.slo import SloWatch
from telemetry.watches.speed import SpeedWatch
from telemetry.watches.webhook import Webhook

DISPOSE_S = 2.0
"""Longest time of closing the readers' connections."""


class TelemetryStack:
    """Everything that the gateway says of itself goes through
    `recorder`; pages read `live` and `reader`, scrapes `metrics`.

    `served` are the names of the models that clients may ask
    for; `more_sinks` come before those that keep records.
    """

    def __init__(
        self,
        options: TelemetryOptions,
        served: Callable[[], Collection[str]],
        more_sinks: Sequence[Sink] = (),
    ) -> None:
        self._options = options
        self._wall = WallClock()
        self._redactor = Redactor(options.capture.redact_patterns)
        self.prices = options.energy.prices
        self.live = LiveSink()
        self.energy = self._energy_meter()
        self.store = self._store_sink()
        self.reader = create_reader(options.store.url)
        self._disk = Polled(partial(DiskRoom.of, options.home)) if options.home else None
        self._output = log_lines.configure(options.output.log_level)
        self._providers = providers.build(options.output.env if options.enabled else {})
        self._otlp_handler = self._add_otlp_handler()
        self.metrics = self._metrics_sink(served)
        self.recorder = self._recorder([LoadWatch(), self.live, *more_sinks, *self._keeping_sinks()])
        self._loop_monitor = EventLoopMonitor(self.metrics, self.live.running)
        self._speed_watch = SpeedWatch(self.reader, self.recorder.speed_changed)
        self._webhook = (
            Webhook(options.slo.webhook_url, options.slo.gateway) if options.slo.webhook_url else None
        )
        self.slo = self._slo_watch()

    def _energy_meter(self) -> EnergyMeter:
        wanted = self._options.energy
        meter = EnergyMeter(partial(find, wanted.sources, wanted.rapl_path))
        if not self._options.enabled:
            meter.report = NO_TELEMETRY
        return meter

    def _store_sink(self) -> StoreSink:
        store, capture = self._options.store, self._options.capture
        return StoreSink(
            store.url,
            store.queue_size,
            retention=store.retention,
            finalize=self._finalize,
            capture=Capture(self._redactor, capture.max_text_chars) if capture.content else None,
            wall=self._wall,
        )

    def _add_otlp_handler(self) -> OtlpHandler | None:
        """Warnings and errors go out over OTLP too, where a collector takes logs."""
        if self._providers.logger is None:
            return None
        handler = OtlpHandler(self._providers.logger, self._redactor)
        self._output.add(handler)
        return handler

    def _metrics_sink(self, served: Callable[[], Collection[str]]) -> MetricsSink:
        meter = self._providers.meter
        return MetricsSink(
            served,
            others=[OtelBackend(meter)] if meter else [],
            sources=sources_of(Parts(self.store, self._providers, self.energy, self._disk)),
            objectives=self._options.slo.objectives,
            counts_requests=self._options.enabled,
        )

    def _keeping_sinks(self) -> list[Sink]:
        """The sinks that keep or send records: none where telemetry is off."""
        if not self._options.enabled:
            return []
        made = self._providers
        sinks: list[Sink] = [self.energy, self.store, self.metrics, log_lines.LogSink(made.logger)]
        if made.tracer is not None:
            capture = made.capture_content
            sinks.append(
                SpanSink(made.tracer, capture_content=capture, redactor=self._redactor, wall=self._wall)
            )
        return sinks

    def _recorder(self, sinks: Sequence[Sink]) -> Recorder:
        options = self._options
        wanted = options.capture.content or self._providers.capture_content
        return Recorder(
            sinks,
            options.requests.buckets,
            self._wall,
            keep_content=options.enabled and wanted,
            allowed_baggage=options.requests.allowed_baggage,
            slow_gap_ms=options.slo.slow_gap_ms,
        )

    def _slo_watch(self) -> SloWatch:
        slo = self._options.slo
        changed = self._webhook.post if self._webhook else _nowhere
        return SloWatch(self.reader, self.metrics, slo.objectives, slo.window_days, changed, slo.every_s)

    def _finalize(self, records: Sequence[RequestRecord]) -> None:
        """Energy first: it has a price. Called on the store's thread."""
        self.energy.wait_until(max((record.ended_ns or 0 for record in records), default=0))
        for record in records:
            record.cost = self.prices.cost_of(record)

    def store_health(self) -> StoreHealth:
        """The store's state now, without secrets."""
        health = self.store.health()
        return health if self._options.enabled else replace(health, enabled=False, opening="")

    def disk_room(self) -> DiskRoom | None:
        """Room on the disk of the home folder; None where it cannot be asked now."""
        return None if self._disk is None else self._disk.newest_or_none()

    def exporter_health(self) -> list[ExporterHealth]:
        """Each OTLP exporter now."""
        return self._providers.health()

    def loop_lag_s(self) -> float | None:
        """The event loop's worst lag of the last minute."""
        return self._loop_monitor.worst_lag_s

    async def start(self) -> None:
        """Begin. Nothing waits for the database: the store's thread opens it, and takes what happens
        meanwhile from its queue.
        """
        if self._options.enabled:
            self.store.start()
            self.energy.start()
            self._speed_watch.start()
            self.slo.start()
        self.metrics.refresh()  # what is polled is there when somebody asks
        self._loop_monitor.start()

    async def stop(self, deadline_s: float) -> None:
        """Write and send what waits, within the deadline."""
        await self._loop_monitor.stop()
        await self._speed_watch.stop()
        await self.slo.stop()
        if self._webhook is not None:
            await self._webhook.stop()
        if self._otlp_handler is not None:
            self._output.remove(self._otlp_handler)
        if self._options.enabled:
            await asyncio.gather(
                asyncio.to_thread(self.store.stop, deadline_s),
                asyncio.to_thread(self._providers.shutdown, deadline_s),
            )
            self.energy.stop()
        # connections to a server that says nothing end with the process
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DISPOSE_S):
                await self.reader.dispose()
        self._output.stop()


def _nowhere(_report: ObjectiveReport, _before: State) -> None:
    """Takes changes of an objective's state where nobody is to be sent them."""
