"""Every span of requests to the real model: exact attributes, times against the database, links, and the
ends that are no success.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from telemetry.metrics import catalog, instruments, instruments_genai
from telemetry.metrics.instrument import Kind
from telemetry.semconv import SPAN_NAMES
from telemetry.store import phases
from tests.e2e.otlp_receiver import OtlpReceiver, attributes
from tests.e2e.serving import Served, frames, until
from tests.e2e.span_types import CHAT, CHUNK, SECRET, SERVER, TYPES


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    """An OTLP receiver."""
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def traced(receiver: OtlpReceiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway with one slot that sends everything to the receiver."""
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    served = Served(
        tmp_path_factory.mktemp("traced"), "--engine-n-ctx", "1024", "--engine-slots", "1", env=env
    )
    try:
        yield served.start()
        assert served.stop() == 0
    finally:
        served.kill()


@pytest.fixture(scope="module")
def streamed(traced: Served) -> dict[str, Any]:
    """The row of one streamed request."""
    controls: dict[str, Any] = {"max_tokens": 12, "temperature": 1, "seed": 7, "stop": [SECRET * 2]}
    with traced.stream(f"Tell me about the {SECRET}. " * 10, request_id="streamed", **controls) as response:
        assert list(frames(response))[-1] == "[DONE]"
    return traced.row("streamed")


@pytest.fixture(scope="module")
def tree(receiver: OtlpReceiver, streamed: dict[str, Any]) -> dict[str, list[Span]]:
    """Its spans, by name."""
    return spans_of(receiver, streamed)


def spans_of(receiver: OtlpReceiver, row: dict[str, Any]) -> dict[str, list[Span]]:
    """The spans of a request by name; the server span ends last."""

    def found() -> dict[str, list[Span]]:
        by_name: dict[str, list[Span]] = {}
        for span in list(receiver.spans):
            if span.trace_id.hex() == row["trace_id"]:
                by_name.setdefault(span.name, []).append(span)
        return by_name if SERVER in by_name else {}

    spans: dict[str, list[Span]] = until(found, 20, "the spans")
    return spans


def statuses(spans: dict[str, list[Span]]) -> set[int]:
    return {span.status.code for same in spans.values() for span in same}


@pytest.mark.parametrize("name", TYPES)
def test_attributes_have_their_names_and_types(tree: dict[str, list[Span]], name: str) -> None:
    """Each span has exactly its attributes, each of the type that its convention gives it; only the server
    span is no INTERNAL one.
    """
    assert tree.keys() == TYPES.keys()
    for span in tree[name]:
        assert {key: type(value) for key, value in attributes(span).items()} == TYPES[name]
        assert span.kind == (Span.SPAN_KIND_SERVER if name == SERVER else Span.SPAN_KIND_INTERNAL)
    assert statuses(tree) == {Status.STATUS_CODE_UNSET}


def test_attributes_say_what_the_row_says(tree: dict[str, list[Span]], streamed: dict[str, Any]) -> None:
    """Tokens, ids and times on the spans are those of the database; the chunks add up to the computed
    tokens.
    """
    chat = attributes(tree[CHAT][0])
    usage = [chat[f"gen_ai.usage.{name}_tokens"] for name in ("input", "output", "cache_read.input")]
    assert usage == [streamed["prompt_tokens"], streamed["completion_tokens"], streamed["cached_tokens"]]
    assert (chat["gen_ai.response.id"], chat["gen_ai.response.finish_reasons"]) == (
        streamed["response_id"],
        (streamed["finish_reason"],),
    )
    assert chat["gen_ai.response.time_to_first_chunk"] * 1e3 == pytest.approx(streamed["ttfb_ms"], abs=1e-3)
    chunks = sum(attributes(span)["firsttoken.prefill.chunk.tokens"] for span in tree[CHUNK])
    assert chunks == attributes(tree["firsttoken.prefill"][0])["firsttoken.prefill.computed_tokens"]


def test_times_agree_with_the_database(
    traced: Served, tree: dict[str, list[Span]], streamed: dict[str, Any]
) -> None:
    """Start and end of the server span and of every phase are the row's and its phases', within 1 ms."""
    started_ns = datetime.fromisoformat(streamed["started_at"]).replace(tzinfo=UTC).timestamp() * 1e9
    stored = phases.decode(
        traced.rows("SELECT phases FROM request_phases WHERE seq = ?", streamed["seq"])[0]["phases"]
    )
    expected: dict[str, tuple[float, float]] = {
        SPAN_NAMES[phase.phase]: (phase.start_us, phase.end_us) for phase in stored.phases
    }
    assert expected.keys() == tree.keys() - {SERVER, CHAT, CHUNK}
    for name, (start_us, end_us) in (expected | {SERVER: (0, streamed["total_ms"] * 1e3)}).items():
        (span,) = tree[name]
        assert span.start_time_unix_nano == pytest.approx(started_ns + start_us * 1e3, rel=0, abs=1e6), name
        assert span.end_time_unix_nano == pytest.approx(started_ns + end_us * 1e3, rel=0, abs=1e6), name


@pytest.fixture(scope="module")
def waited(traced: Served, receiver: OtlpReceiver) -> tuple[Span, Span]:
    """The queue span of a request that found the only slot taken, and the server span of the one that had
    it.
    """
    with traced.stream(request_id="holder", max_tokens=60) as response:
        stream = frames(response)
        next(stream)
        waiter = traced.chat(max_tokens=2).headers["x-request-id"]
        list(stream)
    (queue,) = spans_of(receiver, traced.row(waiter))["firsttoken.queue"]
    (holder,) = spans_of(receiver, traced.row("holder"))[SERVER]
    return queue, holder


def test_queue_says_what_was_waited_for(waited: tuple[Span, Span]) -> None:
    """The queue span of a request that found no free slot has its position and the reason."""
    queue = attributes(waited[0])
    assert (queue["firsttoken.queue.reason"], queue["firsttoken.queue.position"]) == ("slots", 1)


def test_queue_links_to_the_request_that_held_the_slot(waited: tuple[Span, Span]) -> None:
    """The queue span links to the server span of the request whose slot it waited for."""
    queue, holder = waited
    assert [(link.trace_id, link.span_id) for link in queue.links] == [(holder.trace_id, holder.span_id)]


def test_client_that_left_is_no_error(traced: Served, receiver: OtlpReceiver) -> None:
    """The operation of a cancelled request says `client_disconnect`; the server's span, no error, does
    not, and none has its status.
    """
    with traced.stream(request_id="left") as response:
        next(frames(response))
    spans = spans_of(receiver, traced.row("left"))
    assert attributes(spans[CHAT][0])["error.type"] == "client_disconnect"
    assert "error.type" not in attributes(spans[SERVER][0])
    assert statuses(spans) == {Status.STATUS_CODE_UNSET}


def test_refused_request_is_no_error_of_the_server(traced: Served, receiver: OtlpReceiver) -> None:
    """A request that no engine saw is a server span and an admit span that says why; a 4xx is no error of
    the server.
    """
    answer = httpx.post(
        f"{traced.base_url}/v1/chat/completions",
        json={"model": "nope", "messages": [{"role": "user", "content": "x"}]},
    )
    spans = spans_of(receiver, traced.row(answer.headers["x-request-id"]))
    assert spans.keys() == {SERVER, "firsttoken.admit"}
    assert "error.type" not in attributes(spans[SERVER][0])
    assert attributes(spans["firsttoken.admit"][0]) == {"firsttoken.admit.decision": "model_not_found"}
    assert spans[SERVER][0].parent_span_id == b""
    assert statuses(spans) == {Status.STATUS_CODE_UNSET}


def test_metrics_arrive_as_declared(receiver: OtlpReceiver, streamed: dict[str, Any]) -> None:
    """Every metric that arrives is declared, with this unit, kind and these buckets; a request's are among
    them.
    """
    wanted = {
        metric.name
        for metric in (
            instruments.TTFT_BY_CONTEXT,
            instruments.OUTPUT_RATE,
            instruments_genai.INPUT_TOKENS,
            instruments.SLOTS,
        )
    }
    until(lambda: wanted <= {metric.name for metric in list(receiver.metrics)}, 20, "the metrics")
    for metric in list(receiver.metrics):
        instrument = catalog.BY_NAME[metric.name]
        shape = {Kind.HISTOGRAM: "histogram", Kind.GAUGE: "gauge"}.get(instrument.kind, "sum")
        assert (metric.unit, metric.WhichOneof("data")) == (instrument.unit, shape), metric.name
        assert (
            shape != "histogram"
            or tuple(metric.histogram.data_points[0].explicit_bounds) == instrument.buckets
        )
        assert shape != "sum" or metric.sum.is_monotonic is (instrument.kind is Kind.COUNTER)


def test_log_record_belongs_to_the_server_span(
    receiver: OtlpReceiver, tree: dict[str, list[Span]], streamed: dict[str, Any]
) -> None:
    """The request's log record is in its trace, under the server span, with the row's figures."""
    trace_id = streamed["trace_id"]
    record = until(
        lambda: next((log for log in list(receiver.logs) if log.trace_id.hex() == trace_id), None),
        20,
        "the log record",
    )
    fields = attributes(record)
    assert (record.event_name, record.severity_text, record.span_id) == (
        "firsttoken.request",
        "INFO",
        tree[SERVER][0].span_id,
    )
    assert (fields["request_id"], fields["status"], fields["prompt_tokens"]) == (
        "streamed",
        "ok",
        streamed["prompt_tokens"],
    )


def test_no_content_leaves_the_gateway(receiver: OtlpReceiver, tree: dict[str, list[Span]]) -> None:
    """Nothing that was sent holds a word of the prompt or the stop sequence."""
    assert tree
    sent = [message.SerializeToString() for message in (*receiver.spans, *receiver.metrics, *receiver.logs)]
    assert not any(SECRET.encode() in message for message in sent)
