"""Logs: JSON lines on stderr, and one wide line per completed request. Never content, never headers.

Lines are written by a thread: a reader that does not read (a full pipe) costs dropped lines, not a stalled event loop.
"""

from __future__ import annotations

import logging
import logging.handlers
import queue
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TextIO

import structlog
from opentelemetry import trace as trace_api
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider

from telemetry import semconv
from telemetry.events import Phase, SpeedChange, Status
from telemetry.record import RequestRecord
from telemetry.recorder import NullSink
from telemetry.trace_context import span_context

MAX_WAITING_LINES = 10_000
"""Lines that wait for stderr; more are dropped and counted."""

EVENT = "request"
"""The `event` of a request's line."""

_SHARED: list[structlog.typing.Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


class _BoundedHandler(logging.handlers.QueueHandler):
    """Hands lines to the writing thread; counts those that it has no room for."""

    def __init__(self, lines: queue.Queue[Any]) -> None:
        super().__init__(lines)
        self.dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record  # the thread formats it, structlog's event dictionary included

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class LogOutput:
    """The writing thread; `stop` writes what waits."""

    def __init__(self, level: str, stream: TextIO) -> None:
        self._handler = _BoundedHandler(queue.Queue(MAX_WAITING_LINES))
        writer = logging.StreamHandler(stream)
        writer.setFormatter(_formatter())
        self._listener = logging.handlers.QueueListener(self._handler.queue, writer)
        self._listener.start()
        root = logging.getLogger()
        self._previous = root.handlers[:]
        root.handlers = [self._handler]
        root.setLevel(level.upper())

    @property
    def dropped(self) -> int:
        """Lines lost because stderr was not read."""
        return self._handler.dropped

    def stop(self) -> None:
        """Write what waits and put the former handlers back."""
        logging.getLogger().handlers = self._previous
        self._listener.stop()


def configure(level: str = "info", stream: TextIO | None = None) -> LogOutput:
    """JSON lines from structlog and from every stdlib logger; `level` as in the setting `telemetry.log_level`."""
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    return LogOutput(level, stream or sys.stderr)


def _formatter() -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
    )


class LogSink(NullSink):
    """One wide line per completed request, on stderr and, where there is a provider, over OTLP."""

    def __init__(self, provider: LoggerProvider | None = None) -> None:
        self._log: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger("firsttoken.requests")
        self._otel = None if provider is None else provider.get_logger(semconv.SCOPE)

    def completed(self, record: RequestRecord) -> None:
        fields = wide_fields(record)
        failed = record.status is Status.ERROR
        (self._log.warning if failed else self._log.info)(EVENT, **fields)
        if self._otel is not None:
            self._otel.emit(
                timestamp=record.anchor.wall(record.ended_ns or record.started_ns),
                context=trace_api.set_span_in_context(trace_api.NonRecordingSpan(span_context(record.trace)), Context()),
                severity_number=SeverityNumber.WARN if failed else SeverityNumber.INFO,
                severity_text="WARN" if failed else "INFO",
                body=EVENT,
                attributes=fields,
                event_name="firsttoken.request",
            )

    def speed_changed(self, change: SpeedChange) -> None:
        told = self._log.warning if change.direction == "slower" else self._log.info
        told("speed changed", **asdict(change), direction=change.direction)


def wide_fields(record: RequestRecord) -> Mapping[str, str | int | float | bool]:
    """Everything that is worth a search about one request; what was not measured is left out."""
    values: dict[str, str | int | float | bool | None] = {
        "request_id": record.request_id,
        "trace_id": record.trace.trace_id,
        "api": record.api,
        "route": record.route,
        "model": record.model,
        "status": record.status.value,
        "http_status": record.http_status,
        "error_type": record.error_type,
        "stream": record.stream,
        "conversation_id": record.conversation_id,
        "finish_reason": record.finish_reason,
        "prompt_tokens": record.prompt_tokens,
        "cached_tokens": record.cached_tokens,
        "ignored_fields": ",".join(record.ignored_fields) or None,
        "dropped_messages": ",".join(map(str, record.dropped_messages)) or None,
        "completion_tokens": record.completion_tokens,
        "context_bucket": record.context_bucket,
        "cache_source": None if record.cache is None else record.cache.source.value,
        "cache_reason": None if record.cache is None else record.cache.reason.value,
        "queue_ms": record.phase_ms(Phase.QUEUE),
        "prefill_ms": record.phase_ms(Phase.PREFILL),
        "ttft_ms": record.ttft_ms,
        "decode_tps": record.decode_tps,
        "itl_p95_ms": record.gap_ms(0.95),
        "total_ms": record.total_ms,
        "unaccounted_ms": record.unaccounted_ms,
        "engine_config_id": record.engine_config_id,
    }
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in values.items() if value is not None}
