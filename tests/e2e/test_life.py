"""Life and death: crashes, kills, restarts and clients that go away, on the real thing."""

from __future__ import annotations

import html
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.serving import Served, frames, together, until

Launch = Callable[..., Served]

FLAGS = ("--engine-n-ctx", "2048", "--engine-slots", "4")


def test_engine_killed_in_mid_stream(launch: Launch) -> None:
    """`kill -9` of the engine: the caller gets the error frame within a second, `/readyz` tells the truth
    meanwhile, the next request works, the row says `error`, and the metrics count the restart.
    """
    served = launch(*FLAGS).start()
    with served.stream(request_id="doomed") as response:
        stream = frames(response)
        next(stream)
        next(stream)
        os.kill(served.engine_pid(), signal.SIGKILL)
        killed = time.monotonic()
        last = list(stream)[-1]
        assert time.monotonic() - killed < 1.0
    assert last["error"]["code"] == "engine_unavailable"
    assert last["error"]["type"] == "server_error"
    unready = httpx.get(f"{served.base_url}/readyz")
    assert unready.status_code == 503
    assert "signal 9" in unready.json()["reason"]
    told = html.unescape(httpx.get(f"{served.base_url}/dashboard/health").text)
    assert unready.json()["reason"] in told
    assert "answers 503" in told
    answer = served.chat("Hi!")
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"]
    assert httpx.get(f"{served.base_url}/readyz").json()["models"][0]["restarts"] == 1
    told = httpx.get(f"{served.base_url}/dashboard/health").text
    assert "answers 200" in told
    assert "signal 9" in told, "the last failure stays known"
    row = served.row("doomed")
    assert (row["status"], row["error_type"], row["http_status"]) == ("error", "engine_unavailable", 200)
    assert row["completion_tokens"] >= 1
    assert row["unaccounted_ms"] <= max(2.0, 0.02 * row["total_ms"])
    waited = served.row(answer.headers["x-request-id"])
    assert waited["status"] == "ok"
    assert waited["unaccounted_ms"] <= max(2.0, 0.02 * waited["total_ms"])
    assert served.stop() == 0


def test_gateway_killed(launch: Launch) -> None:
    """`kill -9` of the gateway leaves no engine behind; after a restart its row says `interrupted` and
    requests work.
    """
    served = launch(*FLAGS).start()
    with served.stream(request_id="cut-off") as response:
        next(frames(response))
        engine = served.engine_pid()
        until(
            lambda: served.rows("SELECT 1 FROM requests WHERE id = 'cut-off'"),
            5,
            "the row of the running request",
        )
        served.kill()
    until(lambda: not psutil.pid_exists(engine), 5, "the engine to end with its parent")
    assert [row["status"] for row in served.rows()] == ["running"]
    served.start()
    until(
        lambda: [row["status"] for row in served.rows()] == ["interrupted"],
        10,
        "the row to be marked, its owner being gone",
    )
    assert served.chat().status_code == 200
    assert served.stop() == 0


def test_stop_lets_a_stream_finish(launch: Launch) -> None:
    """SIGTERM: a running stream gets its end, a new request is told that we are closing, nothing is left
    as running.
    """
    served = launch(*FLAGS).start()
    with served.stream(max_tokens=150, request_id="finishing") as response:
        stream = frames(response)
        next(stream)
        os.kill(served.pid, signal.SIGTERM)
        time.sleep(0.3)
        refused = served.chat()
        rest = list(stream)
    assert refused.status_code == 503
    assert "shutting down" in refused.json()["error"]["message"]
    assert rest[-1] == "[DONE]"
    assert served.stop() == 0
    assert {row["id"]: row["status"] for row in served.rows()}["finishing"] == "ok"
    assert not served.rows("SELECT 1 FROM requests WHERE status = 'running'")


@pytest.mark.parametrize("text", ["Tell me a long story.", "word " * 1200])
def test_client_that_leaves_frees_its_slot(served: Served, text: str) -> None:
    """A client that disconnects, while tokens stream or while its prompt is still computed, is `cancelled`,
    and the engine's slot is free at once.
    """
    request_id = f"gone-{len(text)}"
    prefill_only = len(text) > 1000
    patience = httpx.Timeout(60, read=0.3 if prefill_only else 60)
    with httpx.Client(timeout=120) as client:
        body = {
            "model": "smollm2-135m-instruct",
            "messages": [{"role": "user", "content": text}],
            "stream": True,
            "max_tokens": 900,
        }
        body |= {"cache_prompt": False}  # another test may have sent as many words
        headers = {"x-request-id": request_id}
        try:
            with client.stream(
                "POST", f"{served.base_url}/v1/chat/completions", json=body, headers=headers, timeout=patience
            ) as response:
                next(response.iter_lines())
        except httpx.ReadTimeout:
            assert prefill_only
    row = served.row(request_id)
    assert (row["status"], row["error_type"]) == ("cancelled", "client_disconnect")
    if prefill_only:
        assert row["ttft_ms"] is None
    assert row["total_ms"] < 5000
    began = time.monotonic()
    assert served.chat(max_tokens=1).status_code == 200
    assert time.monotonic() - began < 3


def test_whole_answer_nobody_waits_for(served: Served) -> None:
    """A client that leaves before a plain answer frees its slot as well."""
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{served.base_url}/v1/chat/completions",
            json={
                "model": "smollm2-135m-instruct",
                "messages": [{"role": "user", "content": "Tell me a long story."}],
                "max_tokens": 900,
                "temperature": 0,
            },
            headers={"x-request-id": "left"},
            timeout=httpx.Timeout(60, read=0.3),
        )
    row = served.row("left")
    assert (row["status"], row["http_status"]) == ("cancelled", 499)


def test_full_queue_is_429(launch: Launch) -> None:
    """One slot and a queue of one: of five requests at once, two are answered and three told when to come
    back.
    """
    served = launch("--engine-n-ctx", "1024", "--engine-slots", "1", "--server-max-queue", "1").start()
    answers = together(*[lambda: served.chat("Tell me a story.", max_tokens=60)] * 5)
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [200, 200, 429, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["code"] == "queue_full"
    assert served.stop() == 0
    assert sorted(row["status"] for row in served.rows()) == ["error"] * 3 + ["ok"] * 2


def test_engine_that_cannot_load_is_given_up(launch: Launch, tmp_path: Path) -> None:
    """A file that is no model: the gateway stays up, `/readyz` says why, a request gets 503 at once."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 1000)
    served = launch("--model", str(broken)).start(wait=False)

    def given_up() -> httpx.Response | None:
        try:
            response = httpx.get(f"{served.base_url}/readyz")
        except httpx.TransportError:
            return None
        return response if response.json()["models"][0]["state"] == "failed" else None

    unready = until(given_up, 30, "the engine to be given up")
    assert unready.status_code == 503
    assert "cannot load" in unready.json()["reason"]
    assert unready.json()["reason"] in html.unescape(httpx.get(f"{served.base_url}/dashboard/health").text)
    answer = httpx.post(
        f"{served.base_url}/v1/chat/completions",
        json={"model": "broken", "messages": [{"role": "user", "content": "Hi"}]},
    )
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "engine_unavailable"
    assert served.stop() == 0
