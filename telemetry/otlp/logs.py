"""Log records over OTLP: the line of each request, and warnings and errors of whatever part of the gateway.

A line that comes from handing log records over is not handed over itself, or a
collector that fails would be sent what it did to the last batch, for ever. Secrets
are taken out of what is said, as out of everything that leaves the gateway.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace as trace_api
from opentelemetry._logs import Logger, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import LoggerProvider

from telemetry import semconv
from telemetry.events import Scalar
from telemetry.logs.events import KEY, PREFIX, LogEvent
from telemetry.redact import Redactor, without_passwords
from telemetry.trace_ids import TraceIds
from telemetry.tracing.context import span_context

REQUESTS_LOGGER = "firsttoken.requests"
"""Its lines are made of records, and handed over as such."""

MAX_CHARS = 4096
"""Of a text."""

_SEVERITIES = (
    (logging.CRITICAL, SeverityNumber.FATAL),
    (logging.ERROR, SeverityNumber.ERROR),
    (logging.WARNING, SeverityNumber.WARN),
)

LINE_FIELDS = frozenset({"level", "logger", "timestamp"})
"""The fields that structlog adds to a line."""

_here = threading.local()


@contextmanager
def handing_over() -> Iterator[None]:
    """Around what hands log records over: lines that this thread writes meanwhile stay here."""
    before, _here.handing_over = getattr(_here, "handing_over", False), True
    try:
        yield
    finally:
        _here.handing_over = before


def logger_of(provider: LoggerProvider) -> Logger:
    """The logger of our scope."""
    return provider.get_logger(semconv.SCOPE, semconv.installed(), semconv.SCHEMA_URL)


def context_of(trace: TraceIds) -> Context:
    """The context that a log record of a trace is emitted in."""
    return trace_api.set_span_in_context(trace_api.NonRecordingSpan(span_context(trace)), Context())


class OtlpHandler(logging.Handler):
    """Hands warnings and errors to the provider, whose batch processor sends them."""

    def __init__(self, provider: LoggerProvider, redactor: Redactor | None = None) -> None:
        super().__init__(logging.WARNING)
        self._logger = logger_of(provider)
        self._redactor = redactor or Redactor()

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == REQUESTS_LOGGER and not isinstance(record.msg, str | dict):  # the line of a request
            return
        if getattr(_here, "handing_over", False):
            return
        with handing_over():
            try:
                self._emit(record)
            except Exception:
                self.handleError(record)

    def _emit(self, record: logging.LogRecord) -> None:
        event = getattr(record, KEY, None)
        event_of_line = event if isinstance(event, LogEvent) else _structured(record)
        severity = next(number for level, number in _SEVERITIES if record.levelno >= level)
        self._logger.emit(
            timestamp=int(record.created * 1e9),
            context=Context() if event_of_line.trace is None else context_of(event_of_line.trace),
            severity_number=severity,
            severity_text=severity.name,
            body=self._safe(_words(record)),
            attributes={**event_of_line.attributes, semconv.LOGGER: record.name, **self._exception(record)},
            event_name=event_of_line.name or None,
        )

    def _exception(self, record: logging.LogRecord) -> Mapping[str, Scalar]:
        """The exception, by the conventions for exceptions;
        without the values that a traceback's lines may show.
        """
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return {}
        kind = type(error)
        name = (
            kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        )
        return {semconv.EXCEPTION_TYPE: name, semconv.EXCEPTION_MESSAGE: self._safe(str(error))}

    def _safe(self, text: str) -> str:
        return self._redactor.redact(without_passwords(text), MAX_CHARS)


def _structured(record: logging.LogRecord) -> LogEvent:
    """A line of structlog's has a constant text, and values; any other line has no name."""
    if not isinstance(record.msg, dict):
        return LogEvent("")
    said = {str(key): value for key, value in record.msg.items()}
    name = PREFIX + str(said.pop("event", "")).replace(" ", "_")
    values = {
        f"{PREFIX}{key}": value
        for key, value in said.items()
        if key not in LINE_FIELDS and isinstance(value, str | int | float | bool)
    }
    return LogEvent(name, None, values)


def _words(record: logging.LogRecord) -> str:
    """The message; structlog's is the `event` of what it was given."""
    if isinstance(record.msg, dict):
        return str(record.msg.get("event", ""))
    return record.getMessage()
