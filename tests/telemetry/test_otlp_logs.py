"""Warnings and errors over OTLP: what they say, whom they belong to, and that a failing collector hears
nothing of itself.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import (
    InMemoryLogRecordExporter,
    LogRecordExporter,
    LogRecordExportResult,
    SimpleLogRecordProcessor,
)

from telemetry.context_buckets import ContextBuckets
from telemetry.events import Status
from telemetry.logs import output as lines
from telemetry.logs.events import event
from telemetry.otlp.exporters import CountingLogExporter, CountingLogProcessor, ExportCounts, RateLimitedRelay
from telemetry.otlp.logs import MAX_CHARS, OtlpHandler
from telemetry.recorder import Ended, NullSink, Recorder
from telemetry.semconv import SCHEMA_URL, installed
from telemetry.speed_change import SpeedChange
from telemetry.store.write_attempts import WriteAttempts
from telemetry.trace_ids import TraceIds
from tests.telemetry.records import ManualClock, completed, open_record, recorder

LOAD = TraceIds("1" * 32, "2" * 16)


@contextmanager
def exported() -> Iterator[InMemoryLogRecordExporter]:
    """The gateway's logging, with a provider that keeps what it is given."""
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # the library's has no types
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    output = lines.configure("info", io.StringIO())
    output.add(OtlpHandler(provider))
    try:
        yield exporter
    finally:
        output.stop()
        provider.shutdown()


def said(exporter: InMemoryLogRecordExporter) -> list[dict[str, Any]]:
    """Name, severity and words of each record, its attributes, and its trace."""
    records = [found.log_record for found in exporter.get_finished_logs()]
    return [
        {
            "name": r.event_name,
            "severity": r.severity_text,
            "words": r.body,
            "trace": f"{r.trace_id:032x}",
            **(r.attributes or {}),
        }
        for r in records
    ]


def test_warnings_and_errors_go_out_with_name_and_trace() -> None:
    """What is less grave stays; a line without an event has its logger's name alone."""
    with exported() as exporter:
        log = logging.getLogger("gateway.serving.local.supervisor")
        log.info("started")
        log.warning("engine %s died", "tiny", extra=event("engine.restarting", trace=LOAD, model="tiny"))
        log.error("given up")
        first, second = said(exporter)
    assert first == {
        "name": "firsttoken.engine.restarting",
        "severity": "WARN",
        "words": "engine tiny died",
        "trace": LOAD.trace_id,
        "firsttoken.model": "tiny",
        "firsttoken.logger": "gateway.serving.local.supervisor",
    }
    assert (second["name"], second["severity"], second["words"]) == (None, "ERROR", "given up")
    scope = exporter.get_finished_logs()[0].instrumentation_scope
    assert scope is not None
    assert (scope.name, scope.version, scope.schema_url) == ("firsttoken", installed(), SCHEMA_URL)


def test_a_line_about_a_request_has_its_ids() -> None:
    """A sink that fails says of which request; what was raised is told by the conventions."""

    class Broken(NullSink):
        def completed(self, _record: object) -> None:
            raise ValueError("no password=hunter2 here")

    with exported() as exporter:
        clock = ManualClock()
        rec = Recorder([Broken()], ContextBuckets())
        record = open_record(rec, clock, "req-1")
        rec.close(record, Ended(Status.OK, 200))
        [line] = said(exporter)
    assert (line["name"], line["trace"], line["firsttoken.request.id"]) == (
        "firsttoken.telemetry.sink_failed",
        record.trace.trace_id,
        "req-1",
    )
    assert (line["exception.type"], line["exception.message"]) == ("ValueError", "no [redacted: key] here")


def test_secrets_do_not_leave() -> None:
    """Passwords of URLs, keys and tokens are taken out, and texts are bounded."""
    with exported() as exporter:
        log = logging.getLogger("telemetry.store")
        log.error("no connection to postgresql://me:geheim@db/x with %s", "sk-a1b2c3d4e5f6g7h8i9")
        log.error("x" * 3 * MAX_CHARS)
        secret, long = said(exporter)
    assert secret["words"] == "no connection to postgresql://me:***@db/x with [redacted: key]"
    assert len(long["words"]) == MAX_CHARS


def test_the_store_and_changes_of_speed_are_told() -> None:
    """The store's own logger, and lines of structlog's, whose values are attributes."""
    with exported() as exporter:
        WriteAttempts(logging.getLogger("telemetry.store.writer")).failed(OSError("disk full"))
        lines.LogSink().speed_changed(
            SpeedChange("tiny", "a", "b", "decode_tps", "slower", 10.0, 5.0, 30, 30, 0.01)
        )
        store, speed = said(exporter)
    assert (store["name"], store["severity"]) == ("firsttoken.store.unwritable", "ERROR")
    assert (speed["name"], speed["severity"], speed["firsttoken.direction"]) == (
        "firsttoken.speed_changed",
        "WARN",
        "slower",
    )


def test_the_line_of_a_request_goes_out_once() -> None:
    """It is made of the record, not of the line, also where it is a warning."""
    with exported() as exporter:
        clock = ManualClock()
        rec = recorder(clock, lines.LogSink())
        rec.close(open_record(rec, clock), Ended(Status.ERROR, 500, "engine_error"))
        completed(sink=lines.LogSink())
        assert said(exporter) == []


class Failing(LogRecordExporter):
    """A collector that is not there, as the SDK's exporters tell of it: with a line, and by what they
    return or raise.
    """

    def __init__(self, *, raises: bool) -> None:
        self.batches: list[int] = []
        self._raises = raises

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        self.batches.append(len(batch))
        logging.getLogger("opentelemetry.exporter.otlp").error("Failed to export logs %d", len(self.batches))
        logging.getLogger("urllib3.connectionpool").warning("Retrying %d", len(self.batches))
        if self._raises:
            raise ConnectionError("nobody there")
        return LogRecordExportResult.FAILURE

    def shutdown(self) -> None: ...

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True


@pytest.mark.parametrize("raises", [False, True])
def test_a_failing_exporter_is_not_told_that_it_fails(*, raises: bool) -> None:
    """One line is one batch, however often it fails; that it failed is counted, and said on stderr."""
    inner, counts, stream = Failing(raises=raises), ExportCounts(), io.StringIO()
    provider = LoggerProvider(shutdown_on_exit=False)
    processor = CountingLogProcessor(CountingLogExporter(inner, counts), counts, 1000, 10.0)
    provider.add_log_record_processor(processor)
    RateLimitedRelay.install()
    output = lines.configure("info", stream)
    output.add(OtlpHandler(provider))
    try:
        logging.getLogger("gateway").warning("once")
        for _ in range(5):
            processor.force_flush()
    finally:
        output.stop()
        provider.shutdown()
    assert inner.batches == [1]
    assert (counts.exported, counts.failed, counts.waiting) == (0, 1, 0)
    assert "Retrying 1" in stream.getvalue()
