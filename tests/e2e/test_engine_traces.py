"""Traces of the engine itself, and exemplars: every latency histogram names a trace, on both sinks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from telemetry.metrics.catalog import ALL
from telemetry.metrics.instrument import Instrument, Kind
from telemetry.metrics.instruments_genai import EMBEDDINGS_DURATION
from tests.e2e.otlp_receiver import OtlpReceiver, attributes, exemplars
from tests.e2e.serving import MODEL, Served, frames, together, until

OPENMETRICS = {"accept": "application/openmetrics-text; version=1.0.0"}
LATENCIES = [
    instrument
    for instrument in ALL
    if instrument.kind is Kind.HISTOGRAM and instrument.unit == "s" and instrument is not EMBEDDINGS_DURATION
]


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    """An OTLP receiver."""
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def loaded(receiver: OtlpReceiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway whose first request came while its model was loading; then two chats ran beside each
    other.
    """
    env = receiver.env | {"OTEL_METRIC_EXPORT_INTERVAL": "500", "OTEL_BSP_SCHEDULE_DELAY": "200"}
    served = Served(
        tmp_path_factory.mktemp("loaded"), "--engine-n-ctx", "1024", "--engine-slots", "2", env=env
    )
    try:
        served.start(wait=False)
        until(lambda: _alive(served), 60, "the gateway")
        _stream(served, "waited")
        together(lambda: _stream(served, "one"), lambda: _stream(served, "other"))
        yield served
        assert served.stop() == 0
    finally:
        served.kill()


def _alive(served: Served) -> bool:
    try:
        return httpx.get(f"{served.base_url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def _stream(served: Served, request_id: str) -> None:
    with served.stream(request_id=request_id, max_tokens=150) as response:
        assert list(frames(response))[-1] == "[DONE]"


def _named(receiver: OtlpReceiver, name: str) -> list[Any]:
    return [span for span in list(receiver.spans) if span.name == name]


def test_wait_for_a_load_links_to_the_trace_of_the_load(loaded: Served, receiver: OtlpReceiver) -> None:
    """The load is one span in a trace of its own, as long as the engine says, and the request that waited
    for it links there.
    """
    trace_id = loaded.row("waited")["trace_id"]
    (waited,) = until(
        lambda: [
            span for span in _named(receiver, "firsttoken.model.load") if span.trace_id.hex() == trace_id
        ],
        20,
        "the wait's span",
    )
    (load,) = until(lambda: _named(receiver, "firsttoken.engine.load"), 20, "the load's span")
    assert [(link.trace_id, link.span_id) for link in waited.links] == [(load.trace_id, load.span_id)]
    assert (load.parent_span_id, attributes(load)) == (b"", {"firsttoken.model": MODEL})
    assert load.trace_id.hex() != trace_id
    assert load.start_time_unix_nano < waited.end_time_unix_nano
    assert load.end_time_unix_nano - load.start_time_unix_nano > 1e6


def test_some_steps_are_traces_that_link_to_their_requests(loaded: Served, receiver: OtlpReceiver) -> None:
    """A step in some is a root span that says what was in it, inside the times of the requests that it
    links to.
    """
    rows = [loaded.row(name) for name in ("waited", "one", "other")]
    servers = {
        row["trace_id"]: until(partial(_server, receiver, row["trace_id"]), 20, "the server span")
        for row in rows
    }
    steps = until(lambda: _named(receiver, "firsttoken.engine.step"), 20, "a step")
    assert len(steps) < 50  # 450 tokens were decoded: it is a sample
    for step in steps:
        held = attributes(step)
        assert held["firsttoken.model"] == MODEL
        assert not [name for name in held if name.startswith("gen_ai.")]
        assert step.parent_span_id == b""
        assert len(step.links) == held["firsttoken.engine.step.sequences"] > 0
        assert (
            held["firsttoken.engine.step.prefill_tokens"] + held["firsttoken.engine.step.decode_tokens"] > 0
        )
        for link in step.links:
            server = servers[link.trace_id.hex()]
            assert link.span_id == server.span_id
            assert (
                server.start_time_unix_nano
                <= step.start_time_unix_nano
                <= step.end_time_unix_nano
                <= server.end_time_unix_nano + 1e6
            )


def _server(receiver: OtlpReceiver, trace_id: str) -> Any:
    return next(
        (span for span in _named(receiver, "POST /v1/chat/completions") if span.trace_id.hex() == trace_id),
        None,
    )


@pytest.mark.parametrize("instrument", LATENCIES, ids=lambda instrument: instrument.name)
def test_every_latency_histogram_has_exemplars_over_otlp(
    loaded: Served, receiver: OtlpReceiver, instrument: Instrument
) -> None:
    """At least one measurement of each histogram in seconds came with a trace."""
    assert loaded.rows()
    found = until(lambda: exemplars(list(receiver.metrics), instrument.name), 20, "an exemplar")
    assert all(len(exemplar.trace_id) == 16 and len(exemplar.span_id) == 8 for exemplar in found)


@pytest.mark.parametrize("instrument", LATENCIES, ids=lambda instrument: instrument.name)
def test_every_latency_histogram_has_exemplars_on_the_scrape(loaded: Served, instrument: Instrument) -> None:
    """The same on `/metrics`, for whoever accepts OpenMetrics."""

    def traces() -> list[str]:
        text = httpx.get(f"{loaded.base_url}/metrics", headers=OPENMETRICS).text
        families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        samples = (
            sample
            for family in families
            if family.name == instrument.prometheus_name
            for sample in family.samples
        )
        return [sample.exemplar.labels["trace_id"] for sample in samples if sample.exemplar]

    assert all(len(trace) == 32 for trace in until(traces, 20, "an exemplar"))
