"""An engine that died, as a scrape, a collector of metrics and one of log records hear of it. A real
gateway, the fake engine.
"""

from __future__ import annotations

import re

import httpx
import psutil

from bench.server import Server
from tests.e2e.otlp_receiver import OtlpReceiver, attributes
from tests.e2e.serving import until

ENV = {"OTEL_METRIC_EXPORT_INTERVAL": "300", "OTEL_BLRP_SCHEDULE_DELAY": "100"}
GAUGES = re.compile(
    r"(firsttoken_(?:engine_slots|queue_depth|queue_oldest_age_seconds|kv_cache_usage|kv_cache_limit|model_memory_bytes)){(.*)}"
    r" (.*)"
)


def scraped(server: Server) -> dict[str, float]:
    """The gauges of the engine, by name and labels."""
    text = httpx.get(f"http://{server.host}:{server.port}/metrics").text
    return {f"{name}{{{labels}}}": float(value) for name, labels, value in GAUGES.findall(text)}


def state(server: Server) -> list[str]:
    """What the scrape says that the engine is."""
    text = httpx.get(f"http://{server.host}:{server.port}/metrics").text
    return re.findall(r'firsttoken_engine_state{.*state="(\w+)"} 1.0', text)


def exported(receiver: OtlpReceiver, name: str) -> list[float]:
    """The newest values of a gauge."""
    newest = [metric for metric in list(receiver.metrics) if metric.name == name][-1:]
    return [point.as_double or float(point.as_int) for metric in newest for point in metric.gauge.data_points]


def test_a_dead_engine_is_told_of_and_leaves_nothing_behind() -> None:
    """Its gauges are 0 on both sides, its state is `failed`, and the error came as a log record with its
    name and the load's trace.
    """
    with (
        OtlpReceiver() as receiver,
        Server(fake=True, flags=("--engine-max-restarts", "0"), env=receiver.env | ENV) as server,
    ):
        until(lambda: any(scraped(server).values()), 20, "a heartbeat")
        until(lambda: any(exported(receiver, "firsttoken.kv_cache.limit")), 20, "an export")
        assert state(server) == ["ready"]
        (engine,) = psutil.Process(server.pid).children()
        engine.kill()
        until(lambda: state(server) == ["failed"], 20, "the state")
        assert set(scraped(server).values()) == {0.0}
        until(
            lambda: set(exported(receiver, "firsttoken.kv_cache.limit")) == {0.0}, 20, "the export after it"
        )
        assert set(exported(receiver, "firsttoken.engine.slots")) == {0.0}
        name = "firsttoken.engine.given_up"
        record = until(
            lambda: next((log for log in list(receiver.logs) if log.event_name == name), None),
            20,
            "the log record",
        )
        assert (record.severity_text, any(record.trace_id), any(record.span_id)) == ("ERROR", True, True)
        assert attributes(record)["firsttoken.model"] == server.model
