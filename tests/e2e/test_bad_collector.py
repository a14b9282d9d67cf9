"""A collector that is dead, slow or refusing, over both protocols: requests are answered, losses are
counted, the end is in time.
"""

from __future__ import annotations

import time

import httpx
import pytest

from bench.load import LoadPlan, generate
from bench.server import Server
from tests.e2e.otlp_receiver import BAD, GRPC, HTTP, collector
from tests.e2e.serving import until

SHUTDOWN_S = 2.0
REQUESTS = 40
SPANS_EACH = 10
"""At least, of one chat with the fake engine."""

QUICK = {
    "OTEL_METRIC_EXPORT_INTERVAL": "500",
    "OTEL_BSP_MAX_QUEUE_SIZE": "1024",
    "OTEL_BLRP_MAX_QUEUE_SIZE": "1024",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
}
"""Short waits, so that the losses come soon."""


def _lost(server: Server, metric: str) -> float:
    """What failed to be exported, by `/metrics`."""
    text = httpx.get(f"http://{server.host}:{server.port}/metrics").text
    lines = [
        line
        for line in text.splitlines()
        if line.startswith(f"{metric}_total{{") and 'error_type="export_failed"' in line
    ]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


@pytest.mark.parametrize("protocol", [HTTP, GRPC])
@pytest.mark.parametrize("kind", BAD)
def test_bad_collector_costs_counted_drops_only(kind: str, protocol: str) -> None:
    """Every request is answered, the losses of all three signals are on /metrics, and SIGTERM ends within
    the deadline.
    """
    flags = ("--engine-slots", "4", "--store-shutdown-s", str(SHUTDOWN_S))
    with collector(kind, protocol) as env, Server(fake=True, flags=flags, env=QUICK | env) as server:
        plan = LoadPlan(
            host=server.host,
            port=server.port,
            model=server.model,
            salt=kind,
            requests=REQUESTS,
            concurrency=4,
            max_tokens=8,
        )
        assert len(generate(plan).samples) == REQUESTS
        until(
            lambda: _lost(server, "otel_sdk_exporter_span_exported") >= REQUESTS * SPANS_EACH,
            60,
            "the lost spans",
        )
        until(lambda: _lost(server, "otel_sdk_exporter_log_exported") >= REQUESTS, 60, "the lost log records")
        until(
            lambda: _lost(server, "otel_sdk_exporter_metric_data_point_exported") > 0,
            60,
            "the lost metric points",
        )
        assert len(generate(plan).samples) == REQUESTS  # now there is something that waits when the end comes
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < SHUTDOWN_S + 6  # the engine's end and the interpreter's come on top
        assert server.returncode == 0
