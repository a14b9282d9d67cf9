"""The span sink: the tree of a request, with exact names, parents, times and value types."""

from __future__ import annotations

import json

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanKind, StatusCode

from telemetry.content import Content
from telemetry.events import Phase, Status
from telemetry.recorder import Ended, host_and_port
from telemetry.semconv import SCHEMA_URL, installed
from telemetry.tracing.sink import SpanSink
from tests.telemetry.records import (
    EPOCH_NS,
    MODEL,
    TRACEPARENT,
    ManualClock,
    answer,
    completed,
    open_record,
    recorder,
)
from tests.telemetry.tracing import named, traced


def test_the_tree_has_the_names_and_parents() -> None:
    """Every phase is a span under `chat {model}`, admission under the server span, chunks under prefill."""
    sink, exporter = traced()
    completed(sink=sink)
    spans = exporter.get_finished_spans()
    names = {span.context.span_id: span.name for span in spans if span.context}
    parents = {(span.name, names.get(span.parent.span_id) if span.parent else None) for span in spans}
    chat, server = f"chat {MODEL}", "POST /v1/chat/completions"
    inner = ("render", "tokenize", "cache.lookup", "queue", "prefill", "decode", "stream")
    assert parents == {
        (server, None),
        ("firsttoken.admit", server),
        (chat, server),
        *((f"firsttoken.{name}", chat) for name in inner),
        ("firsttoken.prefill.chunk", "firsttoken.prefill"),
    }
    assert (named(spans, server).kind, named(spans, chat).kind) == (SpanKind.SERVER, SpanKind.INTERNAL)


def test_times_are_those_of_the_record() -> None:
    """Spans begin and end at the wall-clock times of the stamps."""
    sink, exporter = traced()
    completed(sink=sink)
    server = named(exporter.get_finished_spans(), "POST /v1/chat/completions")
    prefill = named(exporter.get_finished_spans(), "firsttoken.prefill")
    assert (server.start_time, server.end_time) == (EPOCH_NS, EPOCH_NS + 200_500_000)
    assert (prefill.start_time, prefill.end_time) == (EPOCH_NS + 9_500_000, EPOCH_NS + 109_500_000)


def test_ids_and_parent_come_from_the_record() -> None:
    """The server span has the record's ids and the caller's span as remote parent."""
    sink, exporter = traced()
    record = completed(sink=sink, traceparent=TRACEPARENT)
    server = named(exporter.get_finished_spans(), "POST /v1/chat/completions")
    assert server.context is not None
    assert f"{server.context.trace_id:032x}" == record.trace.trace_id == TRACEPARENT[3:35]
    assert f"{server.context.span_id:016x}" == record.trace.span_id
    assert server.parent is not None
    assert (f"{server.parent.span_id:016x}", server.parent.is_remote) == (TRACEPARENT[36:52], True)


def test_attributes_of_the_inference_span() -> None:
    """Names and types of the GenAI conventions; no content."""
    sink, exporter = traced()
    completed(sink=sink)
    assert dict(named(exporter.get_finished_spans(), f"chat {MODEL}").attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "llama_cpp",
        "gen_ai.request.model": MODEL,
        "gen_ai.request.stream": True,
        "gen_ai.request.max_tokens": 4,
        "gen_ai.request.temperature": 0.0,
        "gen_ai.response.id": "resp-1",
        "gen_ai.response.model": MODEL,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 0.1095,
        "gen_ai.usage.input_tokens": 600,
        "gen_ai.usage.output_tokens": 4,
        "gen_ai.usage.cache_read.input_tokens": 100,
        "gen_ai.usage.cache_write.input_tokens": 500,
    }


def test_stop_sequences_only_when_asked_for() -> None:
    """With content capture on, stop sequences are a tuple of texts."""
    sink, exporter = traced(capture=True)
    completed(sink=sink)
    attributes = named(exporter.get_finished_spans(), f"chat {MODEL}").attributes or {}
    assert attributes["gen_ai.request.stop_sequences"] == ("secret",)


def test_content_only_when_asked_for() -> None:
    """With content capture on, the chat span has the last messages and the answer, redacted and cut; off,
    no span has any.
    """
    said = Content(
        [{"role": "user", "content": f"message {number}"} for number in range(20)],
        ["my key: ", "sk-a1b2c3d4e5f6g7h8i9"],
    )
    for capture in (False, True):
        sink, exporter = traced(capture=capture)
        clock = ManualClock()
        rec = recorder(clock, sink)
        record = open_record(rec, clock)
        record.content = Content([*said.messages, {"role": "user", "content": "x" * 3000}], said.answer)
        answer(rec, clock, record)
        rec.close(record, Ended(Status.OK, 200))
        spans = exporter.get_finished_spans()
        everything = str([dict(span.attributes or {}) for span in spans])
        assert ("message 19" in everything) == capture
        assert "sk-a1b2" not in everything
    attributes = named(spans, f"chat {MODEL}").attributes or {}
    messages = json.loads(str(attributes["gen_ai.input.messages"]))
    assert [len(message["parts"][0]["content"]) for message in messages] == [10] * 7 + [2048]
    assert json.loads(str(attributes["gen_ai.output.messages"])) == [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": "my key: [redacted: key]"}],
            "finish_reason": "stop",
        }
    ]


def test_attributes_of_the_phases() -> None:
    """Short keys become names of ours; `holders` does not appear."""
    sink, exporter = traced()
    completed(sink=sink)
    spans = exporter.get_finished_spans()
    assert dict(named(spans, "firsttoken.queue").attributes or {}) == {
        "firsttoken.queue.position": 1,
        "firsttoken.queue.depth": 2,
        "firsttoken.queue.reason": "slots",
    }
    lookup, decode = (
        named(spans, "firsttoken.cache.lookup").attributes or {},
        named(spans, "firsttoken.decode").attributes or {},
    )
    assert (lookup["firsttoken.cache.reason"], lookup["firsttoken.cache.divergence.message"]) == (
        "appended",
        2,
    )
    assert (decode["firsttoken.decode.inter_token.p50"], decode["firsttoken.decode.stalls"]) == (0.02, 0)


@pytest.mark.parametrize(
    ("ended", "server_error"),
    [
        (Ended(Status.ERROR, 503, "engine_unavailable"), "engine_unavailable"),
        (Ended(Status.ERROR, 200, "engine_error"), "engine_error"),
        (Ended(Status.ERROR, 429, "queue_full"), None),
        (Ended(Status.ERROR, 400, "invalid_value"), None),
        (Ended(Status.CANCELLED, 499, "client_disconnect"), None),
    ],
)
def test_errors_of_the_server_are_errors_of_its_span(ended: Ended, server_error: str | None) -> None:
    """By the HTTP conventions: a 5xx, or a stream that broke. The operation says what ended it in every
    case.
    """
    clock = ManualClock()
    sink, exporter = traced()
    rec = recorder(clock, sink)
    record = open_record(rec, clock)
    rec.phase(record, Phase.RENDER, clock(), clock.advance(1))
    rec.close(record, ended)
    spans = exporter.get_finished_spans()
    server, chat = named(spans, "POST /v1/chat/completions"), named(spans, f"chat {MODEL}")
    assert (server.attributes or {}).get("error.type") == server_error
    assert server.status.status_code is (StatusCode.ERROR if server_error else StatusCode.UNSET)
    assert (chat.attributes or {})["error.type"] == ended.error_type
    assert (chat.attributes or {})["gen_ai.response.finish_reasons"] == ("error",)


def test_the_path_is_what_was_sent_and_the_route_its_template() -> None:
    """With whom the client took us for."""
    clock = ManualClock()
    sink, exporter = traced()
    rec = recorder(clock, sink)
    record = rec.open(
        request_id=None, route="/v1/chat/completions", api="openai_chat", operation="chat",
        started_ns=clock(), path="/v1//chat%2Fcompletions", host="gateway.example:8443",
        user_agent="curl/8.5",
    )  # fmt: skip
    rec.close(record, Ended(Status.ERROR, 400, "invalid_value"))
    attributes = exporter.get_finished_spans()[0].attributes or {}
    assert (attributes["url.path"], attributes["http.route"]) == (
        "/v1//chat%2Fcompletions",
        "/v1/chat/completions",
    )
    assert (attributes["server.address"], attributes["server.port"]) == ("gateway.example", 8443)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("localhost", ("localhost", 80)),
        ("[::1]:8080", ("::1", 8080)),
        ("10.0.0.1:1", ("10.0.0.1", 1)),
        ("", ("", None)),
        ("a b", ("", None)),
        ("x:99999", ("", None)),
    ],
)
def test_a_host_header_has_two_parts(host: str, found: tuple[str, int | None]) -> None:
    """What is none is nobody."""
    assert host_and_port(host) == found


def test_what_was_asked_for_is_on_the_inference_span() -> None:
    """Penalties, the kind of output and the effort of reasoning, by their conventional names and types."""
    clock = ManualClock()
    sink, exporter = traced()
    rec = recorder(clock, sink)
    record = open_record(rec, clock)
    record.params |= {
        "frequency_penalty": 1,
        "presence_penalty": 0.5,
        "output_type": "text",
        "reasoning_level": "low",
    }
    answer(rec, clock, record)
    rec.close(record, Ended(Status.OK, 200))
    attributes = named(exporter.get_finished_spans(), f"chat {MODEL}").attributes or {}
    names = (
        "request.frequency_penalty",
        "request.presence_penalty",
        "output.type",
        "request.reasoning.level",
    )
    assert [attributes[f"gen_ai.{name}"] for name in names] == [1.0, 0.5, "text", "low"]
    assert isinstance(attributes["gen_ai.request.frequency_penalty"], float)


def test_scopes_have_a_version_and_a_schema() -> None:
    """Of every span."""
    sink, exporter = traced()
    completed(sink=sink)
    scopes = {span.instrumentation_scope for span in exporter.get_finished_spans()}
    assert {(scope.name, scope.version, scope.schema_url) for scope in scopes if scope} == {
        ("firsttoken", installed(), SCHEMA_URL)
    }


def test_many_chunks_are_merged_into_the_last() -> None:
    """A long prompt has 32 chunk spans; the last stands for the rest, and no token is lost."""
    clock = ManualClock()
    sink, exporter = traced()
    rec = recorder(clock, sink)
    record = open_record(rec, clock)
    answer(rec, clock, record, chunks=50)
    rec.close(record, Ended(Status.OK, 200))
    chunks = [span for span in exporter.get_finished_spans() if span.name == "firsttoken.prefill.chunk"]
    assert len(chunks) == 32
    assert (
        sum(int(str((chunk.attributes or {})["firsttoken.prefill.chunk.tokens"])) for chunk in chunks) == 500
    )
    assert (chunks[-1].attributes or {})["firsttoken.prefill.chunk.merged"] == 19


@pytest.mark.parametrize(("flags", "expected"), [("01", 10), ("00", 0)])
def test_the_callers_sampling_decision_is_followed(flags: str, expected: int) -> None:
    """A parent-based sampler drops what the caller did not sample."""
    sink, exporter = traced(ParentBased(ALWAYS_OFF))
    completed(sink=sink, traceparent=TRACEPARENT[:-2] + flags)
    assert len([s for s in exporter.get_finished_spans() if s.name != "firsttoken.prefill.chunk"]) == expected


def test_another_id_generator_is_refused() -> None:
    """A provider that would give other ids is a mistake told at once."""
    with pytest.raises(TypeError, match="RecordIds"):
        SpanSink(TracerProvider(shutdown_on_exit=False))
