"""What a person who waits is told: the queue, the prompt's progress, and then the answer as ever."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from tests.e2e.serving import FakeServed, frames

PACED = {"FAKE_PREFILL_MS": "20", "FAKE_STEP_MS": "2"}
CHAT = [{"role": "user", "content": "word " * 600}]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServed]:
    """A gateway whose engine computes a prompt in several steps."""
    flags = ("--engine-n-batch", "512", "--engine-max-stall-ms", "10")
    served = FakeServed(tmp_path_factory.mktemp("paced"), *flags, env=PACED).start()
    yield served
    assert served.stop() == 0


def test_the_waiting_is_told_before_the_answer(served: FakeServed) -> None:
    """First the queue, then growing progress up to the whole prompt, then text; nothing of it without
    being asked.
    """
    body = {"model": "fake", "stream": True, "max_tokens": 3, "return_progress": True, "messages": CHAT}
    with httpx.stream("POST", f"{served.base_url}/v1/chat/completions", json=body, timeout=60) as response:
        told = [frame for frame in frames(response) if frame != "[DONE]"]
    waits = [frame for frame in told if "queue" in frame or "prompt_progress" in frame]
    assert waits[0]["queue"]["ahead"] == 0
    progress = [frame["prompt_progress"] for frame in waits[1:]]
    done = [one["processed"] for one in progress]
    assert done == sorted(done)
    assert len(set(done)) > 1
    assert {one["total"] for one in progress} == {waits[-1]["prompt_progress"]["total"]}
    first_text = next(
        n for n, frame in enumerate(told) if frame["choices"] and frame["choices"][0]["delta"].get("content")
    )
    assert told.index(waits[-1]) < first_text
    silent = httpx.post(
        f"{served.base_url}/v1/chat/completions", json={**body, "return_progress": False}, timeout=60
    )
    assert "prompt_progress" not in silent.text


def test_an_official_client_does_not_mind(served: FakeServed) -> None:
    """It reads the same text."""
    client = openai.OpenAI(base_url=f"{served.base_url}/v1", api_key="none", max_retries=0)
    texts = []
    for extra in ({}, {"return_progress": True}):
        asked: dict[str, Any] = {"model": "fake", "messages": CHAT, "max_tokens": 5, "extra_body": extra}
        chunks = client.chat.completions.create(**asked, stream=True)
        texts.append("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices))
    assert texts[0] == texts[1] != ""
