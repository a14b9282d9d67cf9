"""Fields that say how tokens are chosen, and log-probabilities, through the API of the real model."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.chat.chat_completion import Choice
from openai.types.chat.chat_completion_token_logprob import ChatCompletionTokenLogprob as TokenLogprob

from tests.e2e.serving import MODEL, Served

CHAT: Any = [{"role": "user", "content": "Tell me a story about a fox."}]


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.base_url}/v1", api_key="unused", max_retries=0) as client:
        yield client


def ask(client: openai.OpenAI, **fields: Any) -> Choice:
    """A greedy answer of at most 12 tokens; what the client has no argument for goes as it is."""
    extra = {name: fields.pop(name) for name in ("bad_words", "ignore_eos", "min_tokens") if name in fields}
    given: dict[str, Any] = {"temperature": 0, "max_tokens": 12, "extra_body": extra, **fields}
    answer = client.chat.completions.create(model=MODEL, messages=CHAT, **given)
    choice: Choice = answer.choices[0]
    return choice


def content(choice: Any) -> list[TokenLogprob]:
    """The tokens of a choice, whole or of a chunk."""
    return list((choice.logprobs.content if choice.logprobs else None) or [])


def test_logprobs_of_an_answer(client: openai.OpenAI) -> None:
    """Its tokens are its text, each the likeliest at its place; together with others not above certainty."""
    choice = ask(client, logprobs=True, top_logprobs=5)
    assert len(content(choice)) == 12
    assert b"".join(bytes(one.bytes or []) for one in content(choice)).decode() == choice.message.content
    for one in content(choice):
        assert (one.token, one.logprob) == (one.top_logprobs[0].token, one.top_logprobs[0].logprob)
        assert len(one.top_logprobs) == 5
        assert sum(math.exp(top.logprob) for top in one.top_logprobs) <= 1 + 1e-4
    assert ask(client).logprobs is None


@pytest.fixture(scope="module")
def words(client: openai.OpenAI) -> list[str]:
    """Of the greedy answer, those that are whole and stand there once."""
    found = re.findall(r"(?<= )[a-z]{3,}(?= )", ask(client, max_tokens=40).message.content or "")
    return [word for word, times in Counter(found).items() if times == 1]


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
def test_a_stream_tells_the_same(client: openai.OpenAI, words: list[str], cut: bool) -> None:
    """Each chunk those of its text, all together those of the answer, also where text was held back."""
    fields: dict[str, Any] = {"max_tokens": 40, "stop": [words[2]]} if cut else {"max_tokens": 12}
    whole = ask(client, logprobs=True, top_logprobs=2, **fields)
    stream = client.chat.completions.create(
        model=MODEL, messages=CHAT, temperature=0, stream=True, logprobs=True, top_logprobs=2, **fields
    )
    chunks = [chunk.choices[0] for chunk in stream]
    assert all(bool(content(chunk)) == bool(chunk.delta.content) for chunk in chunks)
    told = [one for chunk in chunks for one in content(chunk)]
    assert [one.token for one in told] == [one.token for one in content(whole)]
    assert [one.logprob for one in told] == pytest.approx([one.logprob for one in content(whole)], abs=1e-3)
    assert whole.finish_reason == ("stop" if cut else "length")
    assert "".join(one.token for one in told).startswith(whole.message.content or "-")


def test_a_bad_word_does_not_come(client: openai.OpenAI, words: list[str]) -> None:
    """Several tokens of the answer, two words: it begins as before and goes on otherwise."""
    plain = ask(client, max_tokens=40).message.content or ""
    at = plain.index(f" {words[1]} ")
    pair = " ".join(plain[at:].split()[:2])
    other = ask(client, max_tokens=40, bad_words=[pair]).message.content or ""
    assert pair not in other
    assert other.startswith(plain[:at])


def test_an_answer_that_would_end_goes_on(served: Served) -> None:
    """To its limit; what was asked for is in the row."""
    end = {"2": 100}
    brief = served.chat("Hi!", max_tokens=20, logit_bias=end).json()
    assert brief["usage"]["completion_tokens"] == 0
    response = served.chat("Hi!", max_tokens=20, logit_bias=end, ignore_eos=True, logprobs=True, mirostat=0)
    answer = response.json()
    assert (answer["usage"]["completion_tokens"], answer["choices"][0]["finish_reason"]) == (20, "length")
    assert len(answer["choices"][0]["logprobs"]["content"]) == 20
    row = served.row(response.headers["x-request-id"])
    assert json.loads(row["params"]).items() >= {"ignore_eos": True, "logprobs": True, "mirostat": 0}.items()


def test_at_least_so_many_tokens(client: openai.OpenAI) -> None:
    """An answer of one word is longer where more are wanted."""
    brief: Any = [{"role": "user", "content": "Say only the word: yes"}]
    sizes = [
        client.chat.completions.create(
            model=MODEL,
            messages=brief,
            temperature=0,
            max_tokens=60,
            logit_bias={"2": 100},
            extra_body={"min_tokens": least},
        ).usage
        for least in (0, 7)
    ]
    assert [size.completion_tokens for size in sizes if size is not None] == [0, 7]


def test_a_stop_string_may_stay(client: openai.OpenAI, words: list[str]) -> None:
    """In the answer, with its tokens."""
    cut = ask(client, stop=[words[2]], max_tokens=40)
    keep = {"include_stop_str_in_output": True}
    kept = ask(client, stop=[words[2]], max_tokens=40, extra_body=keep, logprobs=True)
    assert kept.message.content == f"{cut.message.content}{words[2]}"
    assert "".join(one.token for one in content(kept)).startswith(kept.message.content)
    assert cut.finish_reason == kept.finish_reason == "stop"


def test_what_the_vocabulary_does_not_have_is_refused(client: openai.OpenAI) -> None:
    """As the client's own error, with the field."""
    with pytest.raises(openai.BadRequestError) as error:
        ask(client, logit_bias={"9999999": 1})
    assert error.value.param == "logit_bias"
