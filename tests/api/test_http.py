"""The HTTP surface: envelopes, ids, guards, limits and the description of it all."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.e2e.serving import MODEL, Served, frames, until

CHAT = "/v1/chat/completions"


def post(served: Served, body: bytes | str, **headers: str) -> httpx.Response:
    return httpx.post(f"{served.base_url}{CHAT}", content=body, headers=headers, timeout=60)


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ("{", 400, "invalid_json", None),
        ("[]", 400, "invalid_type_or_value", None),
        ('{"metadata": {"a": ' + "[" * 100_000, 400, "invalid_json", None),
        (b'{"model": "\xff"}', 400, "invalid_json", None),
        ("{}", 400, "missing_required_parameter", "model"),
        ('{"model": "smollm2-135m-instruct"}', 400, "missing_required_parameter", "messages"),
        ('{"model": 5, "messages": []}', 400, "invalid_type_or_value", "model"),
        ('{"model": "smollm2-135m-instruct", "messages": "hi"}', 400, "invalid_type_or_value", "messages"),
        (
            '{"model": "smollm2-135m-instruct", "messages": [{"content": "x"}]}',
            400,
            "missing_required_parameter",
            "messages[0].role",
        ),
        (
            '{"model": "smollm2-135m-instruct", "messages": [{"role": "user"}]}',
            400,
            "invalid_content",
            "messages[0].content",
        ),
        (
            '{"model": "smollm2-135m-instruct", "messages": [{"role": "user", "content": []}]}',
            400,
            "invalid_content",
            "messages[0].content",
        ),
        (
            '{"model": "smollm2-135m-instruct", "messages": [{"role": "user", "content": "x"}], "top_k": -1}',
            400,
            "invalid_type_or_value",
            "top_k",
        ),
        (
            (
                '{"model": "smollm2-135m-instruct", "messages": [{"role": "user", "content": "x"}], "seed":'
                " 1e400}"
            ),
            400,
            "invalid_type_or_value",
            "seed",
        ),
        (
            (
                '{"model": "smollm2-135m-instruct", "messages": [{"role": "user", "content": "x"}],'
                ' "max_tokens": 0}'
            ),
            400,
            "invalid_type_or_value",
            "max_tokens",
        ),
    ],
)
def test_bad_bodies_name_the_field(
    served: Served, body: bytes | str, status: int, code: str, param: str | None
) -> None:
    """Whatever is wrong with a body, the answer is the envelope with the field to blame, and the next
    request works.
    """
    response = post(served, body)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (status, code, param)
    assert error["type"] == "invalid_request_error"
    assert error["message"]


def test_body_over_the_limit_is_413(served: Served) -> None:
    """A body larger than server.max_body_bytes is refused, whether its length is declared or not."""
    big = b" " * (8 * 2**20 + 1)
    declared = post(served, big)
    chunked = httpx.post(
        f"{served.base_url}{CHAT}",
        content=(big[at : at + 65536] for at in range(0, len(big), 65536)),
        timeout=60,
    )
    for response in (declared, chunked):
        assert response.status_code == 413
        assert response.json()["error"]["code"] == "body_too_large"
    assert served.chat(max_tokens=1).status_code == 200


def test_refused_requests_are_recorded_too(served: Served) -> None:
    """A request that was refused has a row with its error and what was asked for."""
    response = httpx.post(
        f"{served.base_url}{CHAT}", json={"model": "nope", "messages": [{"role": "user", "content": "x"}]}
    )
    row = served.row(response.headers["x-request-id"])
    assert (row["status"], row["error_type"], row["http_status"], row["model"]) == (
        "error",
        "model_not_found",
        404,
        "nope",
    )
    assert row["prompt_tokens"] is None
    assert row["ttft_ms"] is None


def test_request_id_is_kept_or_made(served: Served) -> None:
    """A decent x-request-id comes back and is the row's id; a bad one is replaced; every route has one."""
    kept = served.chat(max_tokens=1).headers["x-request-id"]
    given = httpx.post(
        f"{served.base_url}{CHAT}",
        json={"model": MODEL, "messages": [{"role": "user", "content": "x"}], "max_tokens": 1},
        headers={"x-request-id": "mine-1.2_3"},
    )
    assert given.headers["x-request-id"] == "mine-1.2_3"
    assert served.row("mine-1.2_3")["status"] == "ok"
    assert kept.startswith("req_")
    for bad in ("a b", "x" * 65, "<script>"):
        assert (
            httpx.get(f"{served.base_url}/healthz", headers={"x-request-id": bad}).headers["x-request-id"]
            != bad
        )


def test_same_request_id_twice_keeps_both_rows(served: Served) -> None:
    """A client that retries with its id loses nothing: both requests have a row."""
    for _ in range(2):
        body = {"model": MODEL, "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
        httpx.post(f"{served.base_url}{CHAT}", json=body, headers={"x-request-id": "retried"}, timeout=60)
    until(lambda: len(served.rows("SELECT 1 FROM requests WHERE id = 'retried'")) == 2, 10, "both rows")


def test_foreign_hosts_and_origins_are_refused(served: Served) -> None:
    """Bound to loopback: another Host is refused everywhere, a foreign Origin wherever state could change."""
    for host in ("evil.example", "127.0.0.1.evil.example", "[::1", "[foo]", "a]b[", "localhost.evil"):
        response = httpx.get(f"{served.base_url}/v1/models", headers={"host": host})
        assert response.status_code == 403
        assert response.json()["error"]["code"] == "host_not_allowed"
    for host in ("localhost", "localhost:1", "127.0.0.1", "[::1]:8080"):
        assert httpx.get(f"{served.base_url}/v1/models", headers={"host": host}).status_code == 200
    body: Any = {"model": MODEL, "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
    for origin in ("https://evil.example", "null", "http://[", "http://127.0.0.1:1"):
        refused = httpx.post(f"{served.base_url}{CHAT}", json=body, headers={"origin": origin})
        assert refused.status_code == 403
        assert refused.json()["error"]["code"] == "origin_not_allowed"
        assert "access-control-allow-origin" not in refused.headers
    assert (
        httpx.post(
            f"{served.base_url}{CHAT}", json=body, headers={"origin": served.base_url}, timeout=60
        ).status_code
        == 200
    )


def test_unknown_routes_and_methods_use_the_envelope(served: Served) -> None:
    """404 and 405 are envelopes as well."""
    missing = httpx.get(f"{served.base_url}/v1/nothing")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    wrong = httpx.get(f"{served.base_url}{CHAT}")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")


def test_requests_that_cannot_be_sent_on_do_not_fill_the_queue(served: Served) -> None:
    """A number too large for the pipe is refused as often as it comes, and a valid request is served
    afterwards.
    """
    for _ in range(30):
        refused = served.chat(stop_token_ids=[2**70])
        assert refused.status_code == 400
        assert refused.json()["error"]["param"].startswith("stop_token_ids")
    assert served.chat(max_tokens=1).status_code == 200


def test_stop_string_in_a_stream_never_leaks(served: Served) -> None:
    """No frame of a stream shows any part of the stop string that ended it."""
    whole = served.chat("Count from one to ten in words.", max_tokens=40).json()["choices"][0]["message"][
        "content"
    ]
    stop = whole[12:18]
    with served.stream("Count from one to ten in words.", max_tokens=40, stop=stop) as response:
        parts = [
            frame["choices"][0]["delta"].get("content", "") for frame in frames(response) if frame != "[DONE]"
        ]
    assert "".join(parts) == whole[: whole.index(stop)]


def test_deltas_are_whole_characters(served: Served) -> None:
    """An answer full of characters of several bytes never shows half of one."""
    with served.stream(
        "Repeat: 日本語 🙂 ñandú 🙂🙂 漢字", max_tokens=60, temperature=0.9, seed=4
    ) as response:
        parts = [
            frame["choices"][0]["delta"].get("content", "") for frame in frames(response) if frame != "[DONE]"
        ]
    row = served.row(response.headers["x-request-id"])
    assert row["completion_tokens"] >= len([part for part in parts if part])
    assert "".join(parts).encode("utf-8")


def test_overhead_is_the_gateways_own_time(served: Served) -> None:
    """A streamed answer's overhead is above zero (admission takes time) and far below what the engine
    took.
    """
    with served.stream(max_tokens=60) as response:
        list(frames(response))
    row = served.row(response.headers["x-request-id"])
    assert 0 < row["overhead_ms"] < row["prefill_ms"] + row["decode_ms"]
    assert row["overhead_ms"] <= row["total_ms"] - row["prefill_ms"] - row["decode_ms"] + 0.01


def test_openapi_describes_the_routes(served: Served) -> None:
    """/schema is a valid document that knows body and errors of the chat route."""
    document = httpx.get(f"{served.base_url}/schema/openapi.json").json()
    operation = document["paths"]["/v1/chat/completions"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert {"model", "messages", "stream", "temperature", "max_completion_tokens"} <= set(
        schema["properties"]
    )
    assert {"200", "400", "404", "429", "503"} <= set(operation["responses"])
    assert {"/healthz", "/readyz", "/metrics", "/v1/models"} <= set(document["paths"])
    assert "$ref" not in json.dumps(schema)
    assert httpx.get(f"{served.base_url}/schema").status_code == 200


def test_a_long_prompt_does_not_stall_a_stream(served: Served) -> None:
    """While a cold prompt of over 1,000 tokens is computed, a running stream keeps getting tokens: its
    longest gap is a small part of the time that the prompt's prefill takes.
    """
    with served.stream(max_tokens=120, request_id="steady") as response:
        stream = frames(response)
        next(stream)
        with served.stream("word " * 1300, max_tokens=1, request_id="intruder") as intruder:
            list(frames(intruder))
        list(stream)
    steady, long = served.row("steady"), served.row("intruder")
    assert long["prefill_ms"] > 1000
    assert steady["itl_max_ms"] < 0.4 * long["prefill_ms"]
