"""OTLP exporters and batch processors that count what they send, fail to send, and drop.

The SDK drops silently and logs every failed batch. Here both become numbers on `/metrics`, and the log gets
one line per kind of failure (`RateLimitedRelay`).
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.sdk._logs import ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics import Histogram
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.metrics.view import Aggregation, ExponentialBucketHistogramAggregation
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from telemetry.logs.events import event
from telemetry.otlp.logs import handing_over
from telemetry.otlp.settings import Signal, Target

_EXPORTERS: dict[tuple[Signal, str], Callable[..., Any]] = {
    (Signal.TRACES, "http/protobuf"): HttpSpanExporter,
    (Signal.METRICS, "http/protobuf"): HttpMetricExporter,
    (Signal.LOGS, "http/protobuf"): HttpLogExporter,
    (Signal.TRACES, "grpc"): GrpcSpanExporter,
    (Signal.METRICS, "grpc"): GrpcMetricExporter,
    (Signal.LOGS, "grpc"): GrpcLogExporter,
}

sdk_log = logging.getLogger("opentelemetry.exporter")
"""`RateLimitedRelay` listens to it."""

REPEAT_AFTER_S = 600.0
"""The same complaint of the SDK is logged again after this long."""


class ExportCounts:
    """Items of one signal: exported, failed, lost to a full queue, and still waiting; whether the last batch
    failed. Safe from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.exported = 0
        self.failed = 0
        self.lost = 0
        self.failing = False
        self._submitted = 0

    @property
    def waiting(self) -> int:
        """Items that no export has taken yet; metric points never wait."""
        return max(0, self._submitted - self.exported - self.failed - self.lost)

    def submitted(self, queue_size: int) -> None:
        """An item enters the queue; if that is full, the oldest one is lost."""
        with self._lock:
            if self._submitted - self.exported - self.failed - self.lost >= queue_size:
                self.lost += 1
            self._submitted += 1

    def finished(self, items: int, *, success: bool) -> None:
        """A batch left the exporter."""
        with self._lock:
            self.failing = not success
            if success:
                self.exported += items
            else:
                self.failed += items


class CountingSpanExporter(SpanExporter):
    """ExportCounts the spans that an exporter sent or failed to send."""

    def __init__(self, inner: SpanExporter, counts: ExportCounts) -> None:
        self._inner = inner
        self._counts = counts

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self._inner.export(spans)
        finally:
            self._counts.finished(len(spans), success=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()


class CountingLogExporter(LogRecordExporter):
    """ExportCounts the log records that an exporter sent or failed to send."""

    def __init__(self, inner: LogRecordExporter, counts: ExportCounts) -> None:
        self._inner = inner
        self._counts = counts

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        result = LogRecordExportResult.FAILURE
        with handing_over():
            try:
                result = self._inner.export(batch)
            except Exception:
                sdk_log.exception("log records could not be exported")
        self._counts.finished(len(batch), success=result is LogRecordExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


class CountingMetricExporter(MetricExporter):
    """ExportCounts the metric points that an exporter sent or
    failed to send; a failed set is sent again, as it is cumulative.
    """

    def __init__(self, inner: MetricExporter, counts: ExportCounts) -> None:
        super().__init__(inner._preferred_temporality, inner._preferred_aggregation)  # noqa: SLF001 - the SDK's reader reads these too
        self._inner = inner
        self._counts = counts

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        result = MetricExportResult.FAILURE
        try:
            result = self._inner.export(metrics_data, timeout_millis, **kwargs)
        finally:
            self._counts.finished(_points(metrics_data), success=result is MetricExportResult.SUCCESS)
        return result

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return self._inner.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        self._inner.shutdown(timeout_millis, **kwargs)


class CountingSpanProcessor(BatchSpanProcessor):
    """A batch processor that counts the spans its full queue loses."""

    def __init__(
        self, exporter: SpanExporter, counts: ExportCounts, queue_size: int, delay_ms: float
    ) -> None:
        super().__init__(exporter, max_queue_size=queue_size, schedule_delay_millis=delay_ms)
        self._counts = counts
        self._queue_size = queue_size

    def on_end(self, span: ReadableSpan) -> None:
        if span.context and span.context.trace_flags.sampled:
            self._counts.submitted(self._queue_size)
        super().on_end(span)


class CountingLogProcessor(BatchLogRecordProcessor):
    """A batch processor that counts the log records its full queue loses."""

    def __init__(
        self, exporter: LogRecordExporter, counts: ExportCounts, queue_size: int, delay_ms: float
    ) -> None:
        super().__init__(exporter, schedule_delay_millis=delay_ms, max_queue_size=queue_size)
        self._counts = counts
        self._queue_size = queue_size

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        self._counts.submitted(self._queue_size)
        super().on_emit(log_record)


def build(signal: Signal, target: Target, *, exponential: bool = False) -> Any:
    """The SDK's OTLP exporter of a signal for a target."""
    options: dict[str, Any] = {
        "endpoint": target.endpoint,
        "timeout": target.timeout_s,
        "headers": target.headers or None,
    }
    if signal is Signal.METRICS and exponential:
        aggregation: dict[type, Aggregation] = {Histogram: ExponentialBucketHistogramAggregation()}
        options["preferred_aggregation"] = aggregation
    return _EXPORTERS[signal, target.protocol](**options)


def _points(data: MetricsData) -> int:
    scopes = itertools.chain.from_iterable(resource.scope_metrics for resource in data.resource_metrics)
    metrics = itertools.chain.from_iterable(scope.metrics for scope in scopes)
    return sum(len(metric.data.data_points) for metric in metrics)


class RateLimitedRelay(logging.Handler):
    """Passes the SDK's complaints on to our log, one line per
    kind and `REPEAT_AFTER_S`, without tracebacks.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._clock = clock
        self._said: dict[tuple[str, str], float] = {}
        self._log = logging.getLogger("telemetry.otlp")

    def emit(self, record: logging.LogRecord) -> None:
        key, now = (record.name, str(record.msg)), self._clock()
        if now - self._said.get(key, float("-inf")) < REPEAT_AFTER_S:
            return
        self._said[key] = now
        self._log.log(
            record.levelno,
            "%s (further ones are only counted)",
            record.getMessage(),
            extra=event("telemetry.export_failed"),
        )

    @classmethod
    def install(cls) -> None:
        """Put one relay between the SDK's loggers and everybody else's handlers."""
        logger = logging.getLogger("opentelemetry")
        if not any(isinstance(handler, cls) for handler in logger.handlers):
            logger.addHandler(cls())
        logger.propagate = False
