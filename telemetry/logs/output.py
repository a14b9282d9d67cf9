"""Logs: JSON lines on stderr, and one wide line per completed request. Never content, never headers.

Lines are written by a thread: a reader that does not read (a
full pipe) costs dropped lines, not a stalled event loop.
"""

from __future__ import annotations

import contextlib
import json
import logging
import queue
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider

from telemetry.events import Phase, Status
from telemetry.otlp.logs import REQUESTS_LOGGER, context_of, logger_of
from telemetry.record import RequestRecord
from telemetry.recorder import NullSink
from telemetry.speed_change import SpeedChange

MAX_WAITING_LINES = 10_000
"""Lines that wait for stderr; more are dropped and counted."""

STOP_S = 5.0
"""Longest time of writing the last lines: a reader that does not read must not keep the gateway."""

GATHER_S = 0.05
"""The time in which lines are gathered before they are written together."""

EVENT = "request"
"""The `event` of a request's line."""

_SHARED: list[structlog.typing.Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


class _BoundedHandler(logging.Handler):
    """Leaves lines for the writing thread; counts those that it has no room for."""

    def __init__(self, lines: queue.SimpleQueue[logging.LogRecord | None]) -> None:
        super().__init__()
        self.dropped = 0
        self._lines = lines

    # without the lock of other handlers: the queue needs none
    def handle(self, record: logging.LogRecord) -> bool:
        if self._lines.qsize() >= MAX_WAITING_LINES:
            self.dropped += 1
        else:
            self._lines.put(record)  # the thread formats it, structlog's event dictionary included
        return True


class LogOutput:
    """The writing thread; `stop` writes what waits."""

    def __init__(self, level: str, stream: TextIO) -> None:
        self._lines: queue.SimpleQueue[logging.LogRecord | None] = queue.SimpleQueue()
        self._stream = stream
        self._formatter = JsonFormatter()
        self._stopping = threading.Event()
        self._handler = _BoundedHandler(self._lines)
        self._thread = threading.Thread(target=self._run, name="log-lines", daemon=True)
        self._thread.start()
        root = logging.getLogger()
        self._previous = root.handlers[:]
        root.handlers = [self._handler]
        root.setLevel(level.upper())

    @property
    def dropped(self) -> int:
        """Lines lost because stderr was not read."""
        return self._handler.dropped

    def add(self, handler: logging.Handler) -> None:
        """Tell one more handler, until the end."""
        logging.getLogger().addHandler(handler)

    def remove(self, handler: logging.Handler) -> None:
        """Tell it no more."""
        logging.getLogger().removeHandler(handler)

    def stop(self) -> None:
        """Write what waits and put the former handlers back."""
        logging.getLogger().handlers = self._previous
        self._stopping.set()
        self._lines.put(None)
        self._thread.join(STOP_S)

    # On the writing thread ----------------------------------------------------------------------------------
    def _run(self) -> None:
        """Write until the end: a busy gateway has its lines written a few times a second, not one by one."""
        while (first := self._lines.get()) is not None:
            self._stopping.wait(GATHER_S)
            records, over = [first], False
            while not over and not self._lines.empty():
                record = self._lines.get()
                over = record is None
                if record is not None:
                    records.append(record)
            self._write("".join(map(self._line, records)))
            if over:
                return

    def _line(self, record: logging.LogRecord) -> str:
        """A line that cannot be made must not cost the others."""
        try:
            return self._formatter.format(record) + "\n"
        except Exception as error:
            return (
                json.dumps(
                    {"event": "a log line could not be written", "logger": record.name, "error": repr(error)}
                )
                + "\n"
            )

    def _write(self, text: str) -> None:
        # nobody reads standard error any more, or its disk is full: there is nowhere to say so
        with contextlib.suppress(Exception):
            self._stream.write(text)
            self._stream.flush()


def configure(level: str = "info", stream: TextIO | None = None) -> LogOutput:
    """JSON lines from structlog and from every stdlib logger;
    `level` as in the setting `telemetry.log_level`.
    """
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    return LogOutput(level, stream or sys.stderr)


class WideLine:
    """The line of a completed request, made when it is written."""

    __slots__ = ("_record",)

    def __init__(self, record: RequestRecord) -> None:
        self._record = record

    def fields(self) -> dict[str, Any]:
        """The fields of the line."""
        return {**wide_fields(self._record), "event": EVENT}

    def __str__(self) -> str:
        return json.dumps(self.fields())


class JsonFormatter(structlog.stdlib.ProcessorFormatter):
    """JSON of every line."""

    def __init__(self) -> None:
        super().__init__(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )

    def format(self, record: logging.LogRecord) -> str:
        line = record.msg
        if not isinstance(line, WideLine):
            return super().format(record)
        at = (
            datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="microseconds")
            .replace("+00:00", "Z")
        )
        return json.dumps(
            line.fields() | {"level": record.levelname.lower(), "logger": record.name, "timestamp": at}
        )


class LogSink(NullSink):
    """One wide line per completed request, on stderr and, where there is a provider, over OTLP."""

    def __init__(self, provider: LoggerProvider | None = None) -> None:
        self._log = logging.getLogger(REQUESTS_LOGGER)
        self._otel = None if provider is None else logger_of(provider)

    def completed(self, record: RequestRecord) -> None:
        failed = record.status is Status.ERROR
        level = logging.WARNING if failed else logging.INFO
        if self._log.isEnabledFor(level):  # `log` would look for its caller, which costs more than the rest
            self._log.handle(logging.LogRecord(self._log.name, level, "", 0, WideLine(record), None, None))
        if self._otel is not None:
            self._otel.emit(
                timestamp=record.anchor.wall(record.ended_ns or record.started_ns),
                context=context_of(record.trace),
                severity_number=SeverityNumber.WARN if failed else SeverityNumber.INFO,
                severity_text="WARN" if failed else "INFO",
                body=EVENT,
                attributes=wide_fields(record),
                event_name="firsttoken.request",
            )

    def speed_changed(self, change: SpeedChange) -> None:
        logger = structlog.stdlib.get_logger(REQUESTS_LOGGER)
        log_line = logger.warning if change.direction == "slower" else logger.info
        log_line("speed changed", **asdict(change), direction=change.direction)


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
    return {
        key: round(value, 3) if isinstance(value, float) else value
        for key, value in values.items()
        if value is not None
    }
