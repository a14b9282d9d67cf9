"""Content capture with a real model: on, the page shows what was said and no secret is anywhere; off,
nothing of it is kept or sent.
"""

from __future__ import annotations

import html
import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.e2e.otlp_receiver import OtlpReceiver, attributes
from tests.e2e.serving import MODEL, Served, frames, until

Launch = Callable[..., Served]

SECRETS = (
    "sk-proj-a1B2c3D4e5F6g7H8i9J0",
    "ann.smith@example.com",
    "ghp_0123456789abcdefghij0123456789abcdef",
    "ORDER-4711",
)
QUESTION = "Zanzibar is the word of the day. What is the capital of France?"


def say(served: Served, messages: list[dict[str, str]], **controls: object) -> tuple[str, str]:
    """One chat: its request id and its answer."""
    body = {"model": MODEL, "temperature": 0, "max_tokens": 12, "messages": messages, **controls}
    response = httpx.post(f"{served.base_url}/v1/chat/completions", json=body, timeout=120)
    assert response.status_code == 200, response.text
    return response.headers["x-request-id"], response.json()["choices"][0]["message"]["content"]


def page(served: Served, request_id: str) -> str:
    """The request's page, once it has ended."""
    served.row(request_id)
    return httpx.get(f"{served.base_url}/dashboard/requests/{request_id}", timeout=30).text


def difference(shown: str) -> list[str]:
    """The texts beside the cache map, in order."""
    found = re.search(r'<div class="difference">(.*?)</div>', shown, re.DOTALL)
    assert found is not None
    return [
        html.unescape(re.sub(r"<[^>]+>", "", text))
        for text in re.findall(r"<pre[^>]*>(.*?)</pre>", found[1], re.DOTALL)
    ]


def kept_bytes(served: Served) -> bytes:
    """Everything in the database's files, and every content in it unpacked."""
    files = [path.read_bytes() for path in Path(served.home).glob("firsttoken.db*")]
    unpacked = [
        zlib.decompress(row["content"]) for row in served.rows("SELECT content FROM request_contents")
    ]
    return b"".join([*files, *unpacked])


def test_what_is_said_is_kept_without_its_secrets(launch: Launch) -> None:
    """Prompt and answer are on the page, escaped; secrets are in neither the files nor the contents, in a
    stream neither.
    """
    served = launch(
        "--capture-content", "true", "--capture-redact-patterns", "ORDER-[0-9]+", "--engine-n-ctx", "1024"
    ).start()
    secret = f"{QUESTION} <script>alert(1)</script> My things: {' '.join(SECRETS)}"
    request_id, answer = say(
        served, [{"role": "system", "content": "Be brief."}, {"role": "user", "content": secret}]
    )
    shown = page(served, request_id)
    text = html.unescape(shown)
    assert QUESTION in text
    assert answer.strip()[:20] in text
    assert "<script>alert" not in shown
    assert text.count("[redacted: ") >= len(SECRETS)
    with served.stream(f"Repeat this: {SECRETS[0]}", request_id="streamed", max_tokens=20) as response:
        said = "".join(
            frame["choices"][0]["delta"].get("content") or ""
            for frame in frames(response)
            if frame != "[DONE]" and frame["choices"]
        )
    served.row("streamed")
    assert len(said) > 4
    until(lambda: len(served.rows("SELECT seq FROM request_contents")) == 2, 10, "the contents")
    everything = kept_bytes(served)
    assert b"Zanzibar" in everything
    assert not [
        secret for secret in SECRETS if secret.encode() in everything or secret.encode() in shown.encode()
    ]
    assert served.stop() == 0


def test_the_first_text_that_differed(launch: Launch) -> None:
    """Beside the cache map stand the texts of both prompts where they part; after a restart only this
    one's, and that is said.
    """
    served = launch("--capture-content", "true", "--engine-n-ctx", "1024").start()
    system = (
        "You answer questions about geography in one short sentence, and you never speak of anything else."
        " Today is {}."
    )
    first, _ = say(
        served,
        [{"role": "system", "content": system.format("Monday")}, {"role": "user", "content": QUESTION}],
    )
    second, answer = say(
        served,
        [{"role": "system", "content": system.format("Tuesday")}, {"role": "user", "content": QUESTION}],
    )
    ours, theirs = difference(page(served, second))
    assert ours.endswith("Today is Tuesday.")
    assert theirs.endswith("Today is Monday.")
    assert f"/dashboard/requests/{first}" in page(served, second)
    chat = [{"role": "system", "content": system.format("Tuesday")}, {"role": "user", "content": QUESTION}]
    third, _ = say(
        served,
        [*chat, {"role": "assistant", "content": answer}, {"role": "user", "content": "And of Spain?"}],
    )
    assert difference(page(served, third))[0] == "And of Spain?"
    assert difference(page(served, third))[1] == "(ends here)"
    assert served.stop() == 0
    served.start()
    fourth, _ = say(
        served,
        [{"role": "system", "content": system.format("Friday")}, {"role": "user", "content": QUESTION}],
    )
    shown = page(served, fourth)
    assert "What the nearest known prompt said is not kept" in shown
    assert difference(shown) == [system.format("Friday")]
    assert served.stop() == 0


def test_nothing_is_kept_when_it_is_off(launch: Launch) -> None:
    """By default no word of prompt or answer is in the database's files, and the page says which setting
    keeps it.
    """
    served = launch("--engine-n-ctx", "1024").start()
    request_id, answer = say(served, [{"role": "user", "content": f"{QUESTION} {SECRETS[0]}"}])
    shown = page(served, request_id)
    assert "capture.content" in shown
    assert "Zanzibar" not in shown
    assert served.rows("SELECT * FROM request_contents") == []
    everything = kept_bytes(served)
    assert request_id.encode() in everything
    assert not [words for words in ("Zanzibar", SECRETS[0], answer.strip()) if words.encode() in everything]
    assert served.stop() == 0


def test_content_on_spans_only_when_the_variable_asks(launch: Launch) -> None:
    """OpenTelemetry's variable puts messages and answer on the chat span, without secrets, and nothing
    into the database.
    """
    with OtlpReceiver() as receiver:
        env = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true",
        }
        served = launch("--engine-n-ctx", "1024", env=env).start()
        _, answer = say(served, [{"role": "user", "content": f"{QUESTION} {SECRETS[0]}"}])
        [chat] = until(
            lambda: [span for span in receiver.spans if span.name == f"chat {MODEL}"], 15, "the span"
        )
        assert served.stop() == 0
    held = attributes(chat)
    assert (
        json.loads(held["gen_ai.input.messages"])[0]["parts"][0]["content"] == f"{QUESTION} [redacted: key]"
    )
    assert json.loads(held["gen_ai.output.messages"])[0]["parts"][0]["content"] == answer
    assert SECRETS[0] not in str(receiver.spans) + str(receiver.logs)
    assert served.rows("SELECT * FROM request_contents") == []
    assert b"Zanzibar" not in kept_bytes(served)
