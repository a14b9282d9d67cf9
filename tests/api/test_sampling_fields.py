"""Fields that say how tokens are chosen: what is understood of them, and what is refused by name."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest

from gateway.api.openai.chat_parse import parse_chat
from gateway.errors import InvalidRequestError
from gateway.sampling import DEFAULT_SAMPLING, NEVER, NO_RULES, Sampling
from gateway.serving.work import Generate
from tests.e2e.serving import FakeServed, frames

MESSAGES: Any = [{"role": "user", "content": "x"}]

NUMBERS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "typical_p": (0.5, (-0.1, 1.1)),
    "top_n_sigma": (1.5, (-2, 101)),
    "xtc_probability": (0.5, (-0.1, 1.1)),
    "xtc_threshold": (0.3, (-0.1, 1.1)),
    "dry_multiplier": (0.8, (-1, 101)),
    "dry_base": (2.0, (0.5, 101)),
    "dry_allowed_length": (3, (-1, 2**31)),
    "dry_penalty_last_n": (-1, (-2, 2**31)),
    "mirostat": (2, (-1, 3)),
    "mirostat_tau": (4.0, (-1, 101)),
    "mirostat_eta": (0.2, (-1, 1.5)),
    "dynatemp_range": (0.5, (-1, 6)),
    "dynatemp_exponent": (1.5, (0, 11)),
}
"""A value, and some that are out of bounds."""


def chat(**fields: Any) -> Generate:
    work = parse_chat(json.dumps({"model": "m", "messages": MESSAGES, **fields}).encode()).work
    assert isinstance(work, Generate)
    return work


def refused(**fields: Any) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as error:
        chat(**fields)
    return error.value


@pytest.mark.parametrize("field", list(NUMBERS))
def test_numbers_are_obeyed_recorded_and_bounded(field: str) -> None:
    """By llama-server's names; null is the default; what is out of bounds is refused with field and bound."""
    good, bad = NUMBERS[field]
    work = chat(**{field: good})
    assert work.sampling == Sampling(**{field: good})
    assert (work.params, work.ignored) == ({field: good}, ())
    assert chat(**{field: None}).sampling == DEFAULT_SAMPLING
    for wrong in bad:
        error = refused(**{field: wrong})
        assert (error.status, error.param) == (400, field)
        assert any(sign in error.message for sign in ("<=", ">=", ">"))


def test_texts_stay_out_of_the_record() -> None:
    """Sequence breakers and bad words are the caller's own."""
    work = chat(dry_sequence_breakers=["\n", "secret"], bad_words=["secret"], logit_bias=[["secret", 1]])
    assert work.sampling.dry_sequence_breakers == ("\n", "secret")
    assert work.rules.bad_words == ("secret",)
    assert work.params == {}
    assert refused(dry_sequence_breakers=[]).param == "dry_sequence_breakers"
    assert refused(bad_words=["x", ""]).param == "bad_words[1]"


@pytest.mark.parametrize(
    ("given", "pairs"),
    [
        ({"5": 1, "17": -2.5}, ((5, 1.0), (17, -2.5))),
        ([[5, 1], [" text", -100], [6, False]], ((5, 1.0), (" text", -100.0), (6, NEVER))),
        ({"15043": False, "a b": 2}, ((15043, NEVER), ("a b", 2.0))),
        ({}, ()),
        ([], ()),
        (None, ()),
    ],
)
def test_biases_in_both_forms(given: Any, pairs: tuple[Any, ...]) -> None:
    """OpenAI's object, llama-server's list."""
    assert chat(logit_bias=given).rules.logit_bias == pairs


@pytest.mark.parametrize(
    "given",
    [{"5": 101}, [[5, -101]], {"5": True}, [[5]], [[5.5, 1]], [[-1, 1]], {"5": "x"}, "x", {"9" * 30: 1}],
)
def test_a_wrong_bias_is_blamed(given: Any) -> None:
    """On its field."""
    error = refused(logit_bias=given)
    assert error.param is not None
    assert error.param.partition("[")[0] == "logit_bias"


def test_rules_that_are_left_out_are_none() -> None:
    """And so are those that ask for nothing."""
    empty: dict[str, Any] = {"bad_words": [], "allowed_token_ids": [], "ignore_eos": False, "min_tokens": 0}
    assert chat().rules == chat(**empty).rules == NO_RULES
    given = chat(ignore_eos=True, min_tokens=5, allowed_token_ids=[1, 2], max_tokens=5)
    assert (given.rules.ignore_eos, given.rules.min_tokens, given.rules.allowed_tokens) == (True, 5, (1, 2))
    assert given.params == {"ignore_eos": True, "min_tokens": 5, "max_tokens": 5}
    assert refused(min_tokens=6, max_tokens=5).param == "min_tokens"
    assert refused(allowed_token_ids=[-1]).param == "allowed_token_ids[0]"
    assert chat(include_stop_str_in_output=True).keep_stop
    assert not chat().keep_stop


def test_logprobs_are_asked_for() -> None:
    """OpenAI's two fields; the second needs the first."""
    assert chat().logprobs is chat(logprobs=False, top_logprobs=0).logprobs is None
    assert chat(logprobs=True).logprobs == 0
    asked = chat(logprobs=True, top_logprobs=20)
    assert (asked.logprobs, asked.params) == (20, {"logprobs": True, "top_logprobs": 20})
    assert refused(top_logprobs=3).param == "top_logprobs"
    assert refused(logprobs=True, top_logprobs=21).param == "top_logprobs"
    assert refused(logprobs=3).param == "logprobs"


def test_each_frame_has_the_logprobs_of_its_text(door: FakeServed) -> None:
    """Whole and streamed the same, read by the official client; nothing is there unless it is asked for."""
    client = openai.OpenAI(base_url=f"{door.base_url}/v1", api_key="none", max_retries=0)
    whole = client.chat.completions.create(
        model="fake", messages=MESSAGES, max_tokens=6, logprobs=True, top_logprobs=3
    ).choices[0]
    assert whole.logprobs is not None
    assert whole.logprobs.content is not None
    assert "".join(one.token for one in whole.logprobs.content) == whole.message.content
    assert [bytes(one.bytes or []).decode() for one in whole.logprobs.content] == list(
        whole.message.content or ""
    )
    assert [[top.logprob for top in one.top_logprobs] for one in whole.logprobs.content] == [[-1, -2, -3]] * 6
    stream = client.chat.completions.create(
        model="fake", messages=MESSAGES, max_tokens=6, logprobs=True, top_logprobs=3, stream=True
    )
    told = []
    for chunk in stream:
        choice = chunk.choices[0]
        content = (choice.logprobs.content if choice.logprobs else None) or []
        assert "".join(one.token for one in content) == (choice.delta.content or "")
        told += content
    assert told == whole.logprobs.content
    assert door.chat(max_tokens=3).json()["choices"][0]["logprobs"] is None
    with door.stream(max_tokens=3) as response:
        assert {str(frame["choices"][0]["logprobs"]) for frame in frames(response) if frame != "[DONE]"} == {
            "None"
        }


def test_a_token_that_the_model_does_not_have(door: FakeServed) -> None:
    """Is refused when the vocabulary is known, with the field; and the row says so."""
    wrong: dict[str, Any] = {"logit_bias": {"257": 1}, "allowed_token_ids": [300]}
    for field, given in wrong.items():
        response = door.chat(**{field: given})
        error = response.json()["error"]
        assert (response.status_code, error["param"], error["code"]) == (400, field, "invalid_value")
        assert "257 tokens" in error["message"]
        assert door.row(response.headers["x-request-id"])["error_type"] == "invalid_value"


def test_they_are_described(door: FakeServed) -> None:
    """OpenAPI has each of them."""
    schema = httpx.get(f"{door.base_url}/schema/openapi.json").json()
    body = json.dumps(schema["paths"]["/v1/chat/completions"]["post"]["requestBody"])
    assert all(f'"{field}"' in body for field in (*NUMBERS, "logit_bias", "logprobs", "bad_words"))
