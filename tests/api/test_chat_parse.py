"""Parsing chat requests: anything may come in; a request or an error that names the field comes out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.openai.chat_parse import parse_chat
from gateway.errors import InvalidRequestError
from gateway.serving.work import Generate

MESSAGES = [{"role": "user", "content": "x"}]

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
FIELDS = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "n",
    "max_tokens",
    "temperature",
    "top_p",
    "seed",
    "stop",
    "tools",
    "metadata",
    "x",
]


def parsed(body: bytes) -> Generate | InvalidRequestError:
    try:
        return parse_chat(body).work
    except InvalidRequestError as error:
        return error


@given(st.binary(max_size=200))
def test_any_bytes_give_a_request_or_our_error(body: bytes) -> None:
    """No body makes anything but the error for invalid requests."""
    with pytest.raises(InvalidRequestError):
        parse_chat(body)


@given(st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=6))
def test_any_json_gives_a_request_or_an_error_with_a_field(fields: dict[str, Any]) -> None:
    """Wrong values of known fields are blamed on a field."""
    outcome = parsed(json.dumps({"model": "m", "messages": MESSAGES, **fields}).encode())
    assert outcome.param if isinstance(outcome, InvalidRequestError) else outcome.messages


def test_unset_parameters_are_llama_cpps_defaults() -> None:
    """What llama.cpp's own server does, and no limit; `developer` is `system` to a template; unknown
    fields are ignored.
    """
    body = {
        "model": "m",
        "messages": [{"role": "developer", "content": "a"}, *MESSAGES],
        "service_tier": "auto",
    }
    chat = parse_chat(json.dumps(body).encode()).work
    assert chat.sampling.temperature == 0.8
    assert (chat.sampling.top_k, chat.sampling.top_p, chat.sampling.min_p, chat.sampling.seed) == (
        40,
        0.95,
        0.05,
        None,
    )
    assert chat.max_tokens is None
    assert chat.messages[0]["role"] == "system"
    assert chat.params == {}


def test_record_gets_numbers_never_texts() -> None:
    """What is kept of a request are its numbers: no stop string, user name or content."""
    body = {
        "model": "m",
        "messages": MESSAGES,
        "temperature": 0.5,
        "max_completion_tokens": 7,
        "stop": ["secret"],
        "user": "jane",
        "seed": 3,
    }
    chat = parse_chat(json.dumps(body).encode()).work
    assert chat.params == {"temperature": 0.5, "max_tokens": 7, "seed": 3}
    assert chat.stop == ("secret",)


@pytest.mark.parametrize(
    ("effort", "params", "ignored"),
    [
        ("low", {"output_type": "text", "reasoning_level": "low"}, ("reasoning_effort",)),
        ("none", {"output_type": "text", "reasoning_level": "none"}, ()),
        ("my secret", {"output_type": "text"}, ("reasoning_effort",)),
        ([1], {"output_type": "text"}, ("reasoning_effort",)),
        (None, {"output_type": "text"}, ()),
    ],
)
def test_record_gets_words_that_are_one_of_a_few(
    effort: Any, params: dict[str, Any], ignored: tuple[str, ...]
) -> None:
    """The kind of output, and the effort of reasoning, which is told as ignored as before."""
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi!"}],
        "response_format": {"type": "text"},
        "reasoning_effort": effort,
    }
    chat = parse_chat(json.dumps(body).encode()).work
    assert (chat.params, chat.ignored) == (params, ignored)


def with_metadata(metadata: Any, **more: Any) -> Generate | InvalidRequestError:
    return parsed(json.dumps({"model": "m", "messages": MESSAGES, "metadata": metadata, **more}).encode())


@pytest.mark.parametrize("conversation_id", ["c", "é" * 128, "x" * 512, " a/b ", None, ""])
def test_a_conversation_keeps_its_whole_name(conversation_id: str | None) -> None:
    """As long as OpenAI lets a value of `metadata` be; none is none."""
    chat = with_metadata({"conversation_id": conversation_id})
    assert isinstance(chat, Generate)
    assert chat.conversation == (conversation_id or None)


@pytest.mark.parametrize(
    ("conversation_id", "why"),
    [("x" * 513, "513 characters"), (7, "no text"), (["c"], "no text"), (False, "no text")],
)
def test_a_conversation_that_cannot_be_named_is_refused_by_name(conversation_id: Any, why: str) -> None:
    """Never cut, never left out in silence."""
    error = with_metadata({"conversation_id": conversation_id})
    assert isinstance(error, InvalidRequestError)
    assert (error.status, error.param) == (400, "metadata.conversation_id")
    assert why in error.message


def test_callers_that_differ_at_their_end_are_two() -> None:
    """A share of the engine is nobody else's, however long the name."""
    first, second = (with_metadata(None, user="u" * 300 + end) for end in "ab")
    assert isinstance(first, Generate)
    assert isinstance(second, Generate)
    assert first.caller != second.caller
    assert len(first.caller) == 128
