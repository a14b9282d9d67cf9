"""OTLP to a real receiver, over both protocols."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.e2e.otlp_receiver import GRPC, HTTP, OtlpReceiver, attributes
from tests.e2e.serving import MODEL, Served, frames, until

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

TREE = {
    "POST /v1/chat/completions": None,
    "firsttoken.admit": "POST /v1/chat/completions",
    f"chat {MODEL}": "POST /v1/chat/completions",
    "firsttoken.render": f"chat {MODEL}",
    "firsttoken.tokenize": f"chat {MODEL}",
    "firsttoken.cache.lookup": f"chat {MODEL}",
    "firsttoken.queue": f"chat {MODEL}",
    "firsttoken.prefill": f"chat {MODEL}",
    "firsttoken.prefill.chunk": "firsttoken.prefill",
    "firsttoken.decode": f"chat {MODEL}",
    "firsttoken.stream": f"chat {MODEL}",
}
"""Span name → its parent's name, of a request that met no load, no restore and no error."""

TYPES: dict[str, dict[str, type]] = {
    "POST /v1/chat/completions": {
        "http.request.method": str,
        "http.route": str,
        "http.response.status_code": int,
        "firsttoken.request.id": str,
    },
    f"chat {MODEL}": {
        "gen_ai.operation.name": str,
        "gen_ai.provider.name": str,
        "gen_ai.request.model": str,
        "gen_ai.request.max_tokens": int,
        "gen_ai.request.temperature": float,
        "gen_ai.request.top_p": float,
        "gen_ai.request.top_k": int,
        "gen_ai.request.seed": int,
        "gen_ai.request.stream": bool,
        "gen_ai.response.id": str,
        "gen_ai.response.model": str,
        "gen_ai.response.finish_reasons": tuple,
        "gen_ai.response.time_to_first_chunk": float,
        "gen_ai.usage.input_tokens": int,
        "gen_ai.usage.output_tokens": int,
        "gen_ai.usage.cache_read.input_tokens": int,
    },
}

HEADERS = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01", "x-request-id": "traced"}
BODY: dict[str, Any] = {
    "model": MODEL,
    "messages": [{"role": "user", "content": "Name three colours."}],
    "max_tokens": 12,
    "temperature": 0.5,
    "top_p": 0.9,
    "top_k": 20,
    "seed": 7,
    "stream": True,
}


def ask(served: Served) -> None:
    with httpx.stream(
        "POST", f"{served.base_url}/v1/chat/completions", json=BODY, headers=HEADERS, timeout=60
    ) as response:
        assert list(frames(response))[-1] == "[DONE]"


def of_the_request(receiver: OtlpReceiver) -> list[Any]:
    """The spans of the request; the engine has traces of its own."""
    return [span for span in list(receiver.spans) if span.trace_id.hex() == TRACE_ID]


@pytest.mark.parametrize("protocol", [HTTP, GRPC])
def test_receiver_gets_the_span_tree_metrics_and_logs(launch: Callable[..., Served], protocol: str) -> None:
    """One streamed request arrives as the documented tree: names, parents, kinds, attribute types, times
    inside the parent's and equal to the row's; metrics and the log line arrive as well; the incoming
    traceparent is the parent.
    """
    with OtlpReceiver(protocol) as receiver:
        served = launch(
            "--engine-n-ctx", "1024", env={**receiver.env, "OTEL_METRIC_EXPORT_INTERVAL": "500"}
        ).start()
        ask(served)
        until(lambda: len(of_the_request(receiver)) >= len(TREE), 15, "the spans")
        until(lambda: receiver.logs, 15, "the log line")
        names = {"gen_ai.server.time_to_first_token", "firsttoken.ttft_by_context", "firsttoken.output_rate"}
        until(lambda: names <= {metric.name for metric in receiver.metrics}, 15, "the metrics")
        row = served.row("traced")
        assert served.stop() == 0
    found = of_the_request(receiver)
    spans, by_id = {span.name: span for span in found}, {span.span_id: span for span in found}
    assert {
        name: by_id[span.parent_span_id].name if span.parent_span_id in by_id else None
        for name, span in spans.items()
    } == TREE
    server = spans["POST /v1/chat/completions"]
    assert (server.trace_id.hex(), server.parent_span_id.hex(), server.kind) == (TRACE_ID, PARENT_ID, 2)
    assert spans[f"chat {MODEL}"].kind == 1
    assert {span.name for span in receiver.spans if span not in found} <= {
        "firsttoken.engine.load",
        "firsttoken.engine.step",
    }
    for name, types in TYPES.items():
        held = attributes(spans[name])
        assert {key: type(held.get(key)) for key in types} == types
    for span in found:
        parent = by_id.get(span.parent_span_id)
        assert (
            parent is None
            or parent.start_time_unix_nano
            <= span.start_time_unix_nano
            <= span.end_time_unix_nano
            <= parent.end_time_unix_nano
        )
    for name, column in (
        ("firsttoken.prefill", "prefill_ms"),
        ("firsttoken.decode", "decode_ms"),
        ("POST /v1/chat/completions", "total_ms"),
    ):
        span = spans[name]
        assert abs((span.end_time_unix_nano - span.start_time_unix_nano) / 1e6 - row[column]) < 1.0
    assert row["trace_id"] == TRACE_ID
    assert all("colours" not in str(span) for span in receiver.spans)
    assert any(line.trace_id.hex() == TRACE_ID for line in receiver.logs)
