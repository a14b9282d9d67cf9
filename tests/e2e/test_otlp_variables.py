"""Standard variables and headers at the door of telemetry: samplers, exponential histograms, baggage. A
real receiver, the fake engine.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator

import httpx
import pytest

from bench.load import LoadPlan, generate
from bench.server import Server
from telemetry.metrics.catalog import BY_NAME
from telemetry.metrics.instrument import Kind
from tests.e2e.otlp_receiver import OtlpReceiver, attributes
from tests.e2e.serving import until

SERVER = "POST /v1/chat/completions"
COUNT = "gen_ai.server.request.duration"
REQUESTS = 60
SAMPLED, UNSAMPLED = (
    f"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}" for flags in ("01", "00")
)


@contextlib.contextmanager
def serving(receiver: OtlpReceiver, *flags: str, **env: str) -> Iterator[Server]:
    """A gateway that sends to the receiver; everything has arrived when the block ends."""
    with Server(fake=True, flags=flags, env=receiver.env | env) as server:
        yield server
        time.sleep(0.3)  # the store's writer gathers for 0.1 s
        server.stop()
        assert server.returncode == 0


def chat(server: Server, **headers: str) -> None:
    body = {"model": server.model, "messages": [{"role": "user", "content": "Hi!"}], "max_tokens": 2}
    assert (
        httpx.post(
            f"http://{server.host}:{server.port}/v1/chat/completions", json=body, headers=headers
        ).status_code
        == 200
    )


def many(server: Server) -> None:
    generate(
        LoadPlan(
            host=server.host,
            port=server.port,
            model=server.model,
            salt="many",
            requests=REQUESTS,
            max_tokens=2,
        )
    )


def rows(server: Server) -> int:
    with contextlib.closing(
        sqlite3.connect(f"file:{server.home / 'firsttoken.db'}?mode=ro", uri=True)
    ) as connection:
        return int(
            connection.execute(
                "SELECT count(*) FROM requests WHERE status = 'ok' AND trace_id IS NOT NULL"
            ).fetchone()[0]
        )


def counted(server: Server) -> float:
    """Requests, by the scrape."""
    text = httpx.get(f"http://{server.host}:{server.port}/metrics").text
    name = f"{BY_NAME[COUNT].prometheus_name}_count"
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


@pytest.mark.parametrize(
    ("sampler", "argument", "least", "most"),
    [
        ("always_on", "", REQUESTS, REQUESTS),
        ("always_off", "", 0, 0),
        ("parentbased_always_off", "", 0, 0),
        ("traceidratio", "0.5", 8, 52),  # outside of it once in a thousand million runs
        ("parentbased_traceidratio", "0", 0, 0),
    ],
)
def test_samplers_thin_out_spans_and_nothing_else(sampler: str, argument: str, least: int, most: int) -> None:
    """`OTEL_TRACES_SAMPLER` and its argument decide how many requests have spans; rows, metrics and log
    lines have them all.
    """
    with OtlpReceiver() as receiver:
        with serving(receiver, OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=argument) as server:
            many(server)
            until(lambda: rows(server) == REQUESTS, 20, "the rows")
            assert counted(server) == REQUESTS
        spans = [span for span in receiver.spans if span.name == SERVER]
        assert least <= len(spans) <= most
        sums = [
            sum(point.count for point in metric.histogram.data_points)
            for metric in receiver.metrics
            if metric.name == COUNT
        ]
        assert sums[-1] == REQUESTS
        assert len([line for line in receiver.logs if line.event_name == "firsttoken.request"]) == REQUESTS


@pytest.mark.parametrize(
    ("sampler", "traceparent", "spans"),
    [
        ("parentbased_always_off", SAMPLED, 1),
        ("parentbased_always_on", UNSAMPLED, 0),
        ("always_on", UNSAMPLED, 1),
        ("always_off", SAMPLED, 0),
    ],
)
def test_parent_based_samplers_follow_the_caller(sampler: str, traceparent: str, spans: int) -> None:
    """And the others do not."""
    with OtlpReceiver() as receiver:
        with serving(receiver, OTEL_TRACES_SAMPLER=sampler) as server:
            chat(server, traceparent=traceparent)
        assert len([span for span in receiver.spans if span.name == SERVER]) == spans


def test_histograms_are_exponential_where_the_variable_says_so() -> None:
    """Every histogram arrives with exponential buckets that hold all of its measurements; the scrape keeps
    the declared ones.
    """
    with OtlpReceiver() as receiver:
        exponential = "base2_exponential_bucket_histogram"
        with serving(
            receiver, OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=exponential
        ) as server:
            many(server)
            scraped = httpx.get(f"http://{server.host}:{server.port}/metrics").text
        histograms = [metric for metric in receiver.metrics if BY_NAME[metric.name].kind is Kind.HISTOGRAM]
        assert {metric.WhichOneof("data") for metric in histograms} == {"exponential_histogram"}
        (point,) = [metric for metric in histograms if metric.name == COUNT][
            -1
        ].exponential_histogram.data_points
        assert sum(point.positive.bucket_counts) + point.zero_count == point.count == REQUESTS
        assert point.exemplars
        assert f"{BY_NAME[COUNT].prometheus_name}_bucket{{" in scraped
        assert 'le="0.01"' in scraped


@pytest.mark.parametrize(
    ("flags", "expected"),
    [((), {}), (("--telemetry-baggage", "tenant"), {"firsttoken.baggage.tenant": "blue berry"})],
)
def test_baggage_is_ignored_unless_allowed(flags: tuple[str, ...], expected: dict[str, str]) -> None:
    """Of the caller's baggage only the members that a setting names are on the server span; nothing else
    has any of it.
    """
    with OtlpReceiver() as receiver:
        with serving(receiver, *flags) as server:
            chat(server, baggage="tenant=blue%20berry;private=1, secret=kumquat")
        (span,) = [span for span in receiver.spans if span.name == SERVER]
        assert {key: value for key, value in attributes(span).items() if "baggage" in key} == expected
        sent = b"".join(
            message.SerializeToString() for message in (*receiver.spans, *receiver.metrics, *receiver.logs)
        )
        assert b"kumquat" not in sent
        assert sent.count(b"blue berry") == len(expected)
