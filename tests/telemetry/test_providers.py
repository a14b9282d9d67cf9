"""Providers from the standard variables, against a real OTLP receiver and against none."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
import time
from collections.abc import Callable

import pytest
from oteltap import OtelTapHttpProtobufReceiver, OtelTapHttpProtobufReceiverSettings

from telemetry.logs.output import LogSink
from telemetry.metrics import buckets, instruments_gateway
from telemetry.metrics.otel import OtelBackend
from telemetry.metrics.sink import MetricsSink
from telemetry.otlp import providers
from telemetry.otlp import settings as otlp_settings
from telemetry.otlp.exporters import ExportCounts, RateLimitedRelay
from telemetry.otlp.providers import Providers
from telemetry.otlp.settings import Signal
from telemetry.semconv import installed
from telemetry.tracing.sink import SpanSink
from tests.telemetry.records import MODEL, ManualClock, completed

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    "env",
    [
        {},
        ENDPOINT | {"OTEL_SDK_DISABLED": "true"},
        ENDPOINT | {f"OTEL_{s.upper()}_EXPORTER": "none" for s in Signal},
    ],
)
def test_off_without_an_endpoint_or_when_told(env: dict[str, str]) -> None:
    """No endpoint, a disabled SDK, or exporters `none`: nothing is built."""
    assert providers.build(env) == Providers()


def test_one_signal_alone() -> None:
    """A signal's own endpoint turns on that signal only, and is used as it stands."""
    env = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/custom"}
    goal = otlp_settings.target(Signal.TRACES, env)
    assert goal is not None
    assert (goal.endpoint, goal.protocol) == ("http://127.0.0.1:1/custom", "http/protobuf")
    assert otlp_settings.target(Signal.LOGS, env) is None


def test_protocol_headers_and_timeout_are_read() -> None:
    """With gRPC the target keeps the bare endpoint; a signal's own variable wins."""
    env = ENDPOINT | {
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20x",
        "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": "7",
    }
    goal = otlp_settings.target(Signal.LOGS, env)
    assert goal == otlp_settings.Target("http://127.0.0.1:1", "grpc", {"authorization": "Bearer x"}, 7.0)


@pytest.mark.parametrize(
    "env",
    [
        ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
        ENDPOINT | {"OTEL_TRACES_SAMPLER": "sometimes"},
    ],
)
def test_unsupported_values_are_told(env: dict[str, str]) -> None:
    """A value that we cannot follow is an error, not a silent default."""
    with pytest.raises(ValueError, match="supported"):
        providers.build(env)


def test_service_name() -> None:
    """firsttoken, unless the variables say otherwise."""
    assert otlp_settings.resource_attributes({})["service.name"] == "firsttoken"
    assert otlp_settings.resource_attributes({"OTEL_RESOURCE_ATTRIBUTES": "service.name=a%20b,x=1"}) == {
        "service.name": "a b",
        "x": "1",
    }


def test_the_resource_says_where_and_what() -> None:
    """Host, process, system and version, unless the variables say otherwise; every signal has the same."""
    built = providers.build(ENDPOINT | {"OTEL_RESOURCE_ATTRIBUTES": "host.name=box"})
    assert built.tracer is not None
    attributes = built.tracer.resource.attributes
    assert {
        name: attributes[name]
        for name in ("service.name", "service.version", "host.name", "process.pid", "os.type")
    } == {
        "service.name": "firsttoken",
        "service.version": installed(),
        "host.name": "box",
        "process.pid": os.getpid(),
        "os.type": sys.platform,
    }
    assert attributes["service.instance.id"]
    built.shutdown(0.1)


@pytest.mark.parametrize(
    ("namespace", "job"), [("", "firsttoken"), ("service.namespace=prod", "prod/firsttoken")]
)
def test_traces_and_logs_have_the_job_of_prometheus(namespace: str, job: str) -> None:
    """It is made of namespace and name, which no other signal is filtered by."""
    built = providers.build(ENDPOINT | {"OTEL_RESOURCE_ATTRIBUTES": namespace})
    assert built.tracer is not None
    assert built.logger is not None
    assert (
        built.tracer.resource.attributes["firsttoken.job"]
        == built.logger.resource.attributes["firsttoken.job"]
        == job
    )
    built.shutdown(0.1)


def test_all_signals_reach_a_receiver(free_port: int) -> None:
    """Spans, histograms and the request's log record arrive over OTLP/HTTP, in one trace, and are counted
    as exported.
    """
    asyncio.run(_export_to_a_receiver(free_port))


async def _export_to_a_receiver(port: int) -> None:
    async with OtelTapHttpProtobufReceiver(OtelTapHttpProtobufReceiverSettings(http_port=port)) as receiver:
        waits = (
            asyncio.ensure_future(
                receiver.await_trace(lambda span: span.name == "POST /v1/chat/completions", 20)
            ),
            asyncio.ensure_future(
                receiver.await_metric(lambda metric: metric.name == "gen_ai.server.time_to_first_token", 20)
            ),
            asyncio.ensure_future(receiver.await_log(lambda log: log.event_name == "firsttoken.request", 20)),
        )
        await asyncio.sleep(0)
        built = providers.build({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"})
        assert built.tracer is not None
        assert built.meter is not None
        clock = ManualClock()
        span_sink, log_sink = SpanSink(built.tracer), LogSink(built.logger)
        metrics = MetricsSink(lambda: {MODEL}, others=[OtelBackend(built.meter)])
        record = completed(clock)
        for sink in (span_sink, metrics, log_sink):
            sink.completed(record)
        in_time = await asyncio.to_thread(built.shutdown, 15)
        span, metric, log = await asyncio.gather(*waits)
    assert in_time
    assert span.trace_id.hex() == log.trace_id.hex() == record.trace.trace_id
    assert list(metric.histogram.data_points[0].explicit_bounds) == list(buckets.TTFT_BUCKETS)
    assert built.counts[Signal.TRACES].exported == 12
    assert built.totals()[instruments_gateway.SDK_EXPORTED_SPANS, "export_failed"] == 0


def test_a_dead_collector_costs_counts_and_no_more_than_the_deadline() -> None:
    """A collector that accepts and never answers: shutdown keeps its deadline."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        built = providers.build(
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}/v1/traces"}
        )
        assert built.tracer is not None
        completed(sink=SpanSink(built.tracer))
        began = time.monotonic()
        assert not built.shutdown(0.3)
        assert time.monotonic() - began < 1
    _wait_until(lambda: built.counts[Signal.TRACES].failed == 12)


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        threading.Event().wait(0.02)
    assert condition()


def test_a_full_queue_is_counted() -> None:
    """Items beyond the queue's size push out the oldest: each is a loss."""
    counts = ExportCounts()
    for _ in range(5):
        counts.submitted(queue_size=3)
    counts.finished(3, success=False)
    counts.submitted(queue_size=3)
    assert (counts.lost, counts.failed, counts.exported) == (2, 3, 0)


def test_complaints_of_the_sdk_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """The same kind of failure is one line, without a traceback."""
    import logging

    relay, sdk = RateLimitedRelay(clock=lambda: 0.0), logging.getLogger("tests.sdk")
    sdk.propagate = False
    sdk.addHandler(relay)
    for batch in range(5):
        sdk.error("Failed to export batch %s", batch, exc_info=ValueError("x"))
    assert [(record.getMessage(), record.exc_info) for record in caplog.records] == [
        ("Failed to export batch 0 (further ones are only counted)", None)
    ]
