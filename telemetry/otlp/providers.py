"""The OpenTelemetry providers, built from the standard `OTEL_*`
variables; a signal without an endpoint is off.

Nothing here is set as a global provider: the composition root passes them to the sinks.
"""

from __future__ import annotations

import logging
import os
import platform
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from telemetry.health import ExporterHealth, host_of
from telemetry.logs.events import event
from telemetry.metrics import instruments_gateway as metric
from telemetry.metrics.instrument import Instrument
from telemetry.otlp import exporters
from telemetry.otlp.exporters import ExportCounts
from telemetry.otlp.settings import (
    DEFAULT_METRIC_INTERVAL_MS,
    Signal,
    exponential_histograms,
    number,
    resource_attributes,
    sampler,
    target,
)
from telemetry.semconv import JOB, installed
from telemetry.tracing.sink import RecordIds

log = logging.getLogger(__name__)

QUEUE_SIZE = 32_768
"""Spans or log records that may wait for an export; the SDK's
2,048 are gone in two seconds of a dead collector.
"""

BATCH_DELAY_MS = 1000.0
"""Longest wait before a batch is sent."""

_EXPORTED = {
    Signal.TRACES: metric.SDK_EXPORTED_SPANS,
    Signal.METRICS: metric.SDK_EXPORTED_POINTS,
    Signal.LOGS: metric.SDK_EXPORTED_LOGS,
}
_PROCESSED = {Signal.TRACES: metric.SDK_PROCESSED_SPANS, Signal.LOGS: metric.SDK_PROCESSED_LOGS}

CAPTURING = frozenset({"true", "span_only", "span_and_event"})
"""Values of OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT,
old and new, that ask for content on spans.
"""


@dataclass(frozen=True, slots=True)
class Providers:
    """One provider per signal that is on, None for one that is off, and what their exporters counted."""

    tracer: TracerProvider | None = None
    meter: MeterProvider | None = None
    logger: LoggerProvider | None = None
    capture_content: bool = False
    counts: Mapping[Signal, ExportCounts] = field(default_factory=dict)
    endpoints: Mapping[Signal, str] = field(default_factory=dict)
    """Scheme, host and port only."""

    def health(self) -> list[ExporterHealth]:
        """Each exporter."""
        return [
            ExporterHealth(
                signal.value,
                self.endpoints.get(signal, ""),
                found.exported,
                found.failed,
                found.lost,
                found.failing,
            )
            for signal, found in self.counts.items()
        ]

    def totals(self) -> dict[tuple[Instrument, str], int]:
        """(instrument, `error.type` or '') → items since the start, for
        `telemetry.metrics.sources.ExportSource`.
        """
        totals: dict[tuple[Instrument, str], int] = {}
        for signal, counts in self.counts.items():
            totals[_EXPORTED[signal], ""] = counts.exported
            totals[_EXPORTED[signal], "export_failed"] = counts.failed
            if signal in _PROCESSED:
                totals[_PROCESSED[signal], ""] = counts.exported + counts.failed
                totals[_PROCESSED[signal], "queue_full"] = counts.lost
        return totals

    def shutdown(self, deadline_s: float) -> bool:
        """Send what waits and stop; never longer than `deadline_s`.
        False where a collector did not take everything in time.

        The SDK's own shutdown waits up to 30 s per signal, so it
        runs on daemon threads, which a process may leave behind.
        """
        deadline = time.monotonic() + deadline_s
        running = [
            _in_background(provider.shutdown)
            for provider in (self.tracer, self.meter, self.logger)
            if provider is not None
        ]
        for thread in running:
            thread.join(max(0.0, deadline - time.monotonic()))
        in_time = not any(thread.is_alive() for thread in running)
        if not in_time:
            left = ", ".join(
                f"{counts.waiting} {signal}"
                for signal, counts in self.counts.items()
                if signal is not Signal.METRICS
            )
            log.warning(
                "the collector did not take everything in time; not sent: %s",
                left or "metrics",
                extra=event("telemetry.not_sent"),
            )
        return in_time


def build(env: Mapping[str, str]) -> Providers:
    """Providers for every signal that the environment asks for.

    Raises:
        ValueError: a standard variable has a value that is not supported.
    """
    counts = {signal: ExportCounts() for signal in Signal if target(signal, env) is not None}
    if not counts:
        return Providers()
    exporters.RateLimitedRelay.install()
    resource = _resource(env)
    return Providers(
        tracer=_tracer(env, resource, counts),
        meter=_meter(env, resource, counts),
        logger=_logger(env, resource, counts),
        capture_content=env.get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "").strip().lower()
        in CAPTURING,
        counts=counts,
        endpoints={
            signal: host_of(goal.endpoint) for signal in Signal if (goal := target(signal, env)) is not None
        },
    )


def _tracer(
    env: Mapping[str, str], resource: Resource, counts: Mapping[Signal, ExportCounts]
) -> TracerProvider | None:
    goal = target(Signal.TRACES, env)
    if goal is None:
        return None
    provider = TracerProvider(sampler(env), resource, shutdown_on_exit=False, id_generator=RecordIds())
    exporter = exporters.CountingSpanExporter(exporters.build(Signal.TRACES, goal), counts[Signal.TRACES])
    size, delay_ms = (
        int(number(env.get("OTEL_BSP_MAX_QUEUE_SIZE"), QUEUE_SIZE)),
        number(env.get("OTEL_BSP_SCHEDULE_DELAY"), BATCH_DELAY_MS),
    )
    provider.add_span_processor(
        exporters.CountingSpanProcessor(exporter, counts[Signal.TRACES], size, delay_ms)
    )
    return provider


def _meter(
    env: Mapping[str, str], resource: Resource, counts: Mapping[Signal, ExportCounts]
) -> MeterProvider | None:
    goal = target(Signal.METRICS, env)
    if goal is None:
        return None
    inner = exporters.build(Signal.METRICS, goal, exponential=exponential_histograms(env))
    exporter = exporters.CountingMetricExporter(inner, counts[Signal.METRICS])
    interval_ms = number(env.get("OTEL_METRIC_EXPORT_INTERVAL"), DEFAULT_METRIC_INTERVAL_MS)
    reader = PeriodicExportingMetricReader(exporter, interval_ms, goal.timeout_s * 1e3)
    return MeterProvider([reader], resource, shutdown_on_exit=False)


def _logger(
    env: Mapping[str, str], resource: Resource, counts: Mapping[Signal, ExportCounts]
) -> LoggerProvider | None:
    goal = target(Signal.LOGS, env)
    if goal is None:
        return None
    provider = LoggerProvider(resource, shutdown_on_exit=False)
    exporter = exporters.CountingLogExporter(exporters.build(Signal.LOGS, goal), counts[Signal.LOGS])
    size, delay_ms = (
        int(number(env.get("OTEL_BLRP_MAX_QUEUE_SIZE"), QUEUE_SIZE)),
        number(env.get("OTEL_BLRP_SCHEDULE_DELAY"), BATCH_DELAY_MS),
    )
    provider.add_log_record_processor(
        exporters.CountingLogProcessor(exporter, counts[Signal.LOGS], size, delay_ms)
    )
    return provider


def _resource(env: Mapping[str, str]) -> Resource:
    """Of every signal. Prometheus makes `job` of namespace and name, which no trace and no log line has:
    `firsttoken.job` is the same.
    """
    given = resource_attributes(env)
    namespace = given.get("service.namespace", "")
    own: dict[str, str | int] = {
        "service.version": installed(),
        "service.instance.id": str(uuid.uuid4()),
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
        "os.type": platform.system().lower(),
        JOB: f"{namespace}/{given['service.name']}" if namespace else given["service.name"],
    }
    return Resource.create({**own, **given})


def _in_background(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, name="otel-shutdown", daemon=True)
    thread.start()
    return thread
