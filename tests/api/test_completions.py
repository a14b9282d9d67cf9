"""`POST /v1/completions`, and several answers to one request, with the fake engine: the same letters for
the same prompt.
"""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest

from tests.e2e.serving import FakeServed, frames


@pytest.fixture(scope="module")
def client(door: FakeServed) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{door.base_url}/v1", api_key="none", max_retries=0)


def test_each_prompt_has_its_answers_in_order(client: openai.OpenAI, door: FakeServed) -> None:
    """Texts and tokens; `n` answers each, the prompt before them if asked for; a prompt counts once in the
    usage.
    """
    answer = client.completions.with_raw_response.create(
        model="fake", prompt=["ab", "cde"], n=2, max_tokens=3, echo=True
    )
    told = answer.parse()
    assert [choice.index for choice in told.choices] == [0, 1, 2, 3]
    first, _, third, _ = texts = [choice.text for choice in told.choices]
    assert texts == [first, first, third, third]
    assert (first[:2], third[:3], len(first), len(third)) == ("ab", "cde", 5, 6)
    assert told.usage is not None
    assert (told.usage.prompt_tokens, told.usage.completion_tokens) == (5, 12)
    row = door.row(answer.headers["x-request-id"])
    assert (row["api"], row["prompt_tokens"], row["completion_tokens"]) == ("completions", 5, 12)
    assert row["unaccounted_ms"] <= max(2.0, 0.02 * row["total_ms"])
    tokens = client.completions.create(model="fake", prompt=[97, 98], max_tokens=3)
    assert "ab" + tokens.choices[0].text == first


def test_a_stream_brings_what_the_whole_has(client: openai.OpenAI) -> None:
    """For every choice, and each ends with a reason."""
    asked: dict[str, Any] = {"model": "fake", "prompt": ["ab", "cde"], "n": 2, "max_tokens": 4, "echo": True}
    whole = [choice.text for choice in client.completions.create(**asked).choices]
    streamed = [""] * len(whole)
    reasons: list[str | None] = [None] * len(whole)
    for chunk in client.completions.create(**asked, stream=True):
        for choice in chunk.choices:
            streamed[choice.index] += choice.text
            reasons[choice.index] = choice.finish_reason or reasons[choice.index]
    assert (streamed, reasons) == (whole, ["length"] * len(whole))


def test_a_chat_with_several_answers(client: openai.OpenAI, door: FakeServed) -> None:
    """Whole and streamed; each has a role, and an end."""
    asked: dict[str, Any] = {
        "model": "fake",
        "n": 3,
        "max_tokens": 4,
        "messages": [{"role": "user", "content": "x"}],
    }
    whole = client.chat.completions.create(**asked)
    assert [choice.index for choice in whole.choices] == [0, 1, 2]
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 12
    body = {**asked, "stream": True}
    with httpx.stream("POST", f"{door.base_url}/v1/chat/completions", json=body, timeout=30) as response:
        told = [choice for frame in frames(response) if frame != "[DONE]" for choice in frame["choices"]]
    for index, choice in enumerate(whole.choices):
        own = [one for one in told if one["index"] == index]
        assert own[0]["delta"]["role"] == "assistant"
        assert "".join(one["delta"].get("content") or "" for one in own) == choice.message.content
        assert [one["finish_reason"] for one in own if one["finish_reason"]] == ["length"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ""}, "prompt[0]"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", 3]}, "prompt[1]"),
        ({"prompt": ["a"] * 65}, "prompt"),
        ({"best_of": 2}, "best_of"),
        ({"suffix": "x"}, "suffix"),
        ({"prompt": [97], "echo": True}, "echo"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"tools": [{}]}, None),
    ],
)
def test_what_is_not_served_is_blamed(door: FakeServed, fields: dict[str, Any], param: str | None) -> None:
    """By field; what chats alone have is ignored and told."""
    body = {"model": "fake", "prompt": "x", "max_tokens": 1, **fields}
    response = httpx.post(f"{door.base_url}/v1/completions", json=body, timeout=30)
    assert response.status_code == (200 if param is None else 400)
    if param is not None:
        assert response.json()["error"]["param"] == param
