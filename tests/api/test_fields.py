"""Fields of requests: whole floats are integers, and what is not obeyed is refused by name or told as
ignored.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.http.decoding import MAX_VALUES
from gateway.api.openai.chat_fields import NEUTRAL, REFUSED
from gateway.api.openai.chat_parse import parse_chat
from gateway.api.openai.embeddings import parse_embeddings, parse_rerank
from gateway.errors import InvalidRequestError
from gateway.serving.work import Embed, Generate, Rerank
from telemetry.ignored_fields import MAX_FIELDS, label
from tests.e2e.serving import FakeServed

MESSAGES = [{"role": "user", "content": "x"}]
INTEGERS = {"max_tokens": 8, "max_completion_tokens": 8, "n": 1, "top_k": 8, "seed": 8, "repeat_last_n": 8}


def chat(**fields: Any) -> Generate:
    return parse_chat(json.dumps({"model": "m", "messages": MESSAGES, **fields}).encode()).work


def blamed(**fields: Any) -> str | None:
    """The `param` of the refusal."""
    with pytest.raises(InvalidRequestError) as error:
        chat(**fields)
    return error.value.param


@pytest.mark.parametrize("field", list(INTEGERS))
def test_whole_floats_are_integers(field: str) -> None:
    """JSON has one kind of number; what has a fraction, a text and a truth value are refused by name."""
    assert chat(**{field: float(INTEGERS[field])}) == chat(**{field: INTEGERS[field]})
    for wrong in (8.5, "8", True, 1e300):
        assert blamed(**{field: wrong}) == field


def test_whole_floats_anywhere() -> None:
    """In lists, written with an exponent, beside fields that are floats; and bounds hold for them."""
    assert chat(stop_token_ids=[5.0, 6]).stop_tokens == (5, 6)
    assert (
        parse_chat(
            b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1.6e1}'
        ).work.max_tokens
        == 16
    )
    mixed = chat(max_tokens=4.0, temperature=1.0, top_p=0.5)
    assert (mixed.max_tokens, mixed.sampling.temperature, mixed.sampling.top_p) == (4, 1.0, 0.5)
    assert blamed(max_tokens=0.0) == "max_tokens"
    assert blamed(stop_token_ids=[1.5]) == "stop_token_ids[0]"
    ranked = parse_rerank(b'{"model": "m", "query": "q", "documents": ["d"], "top_n": 1.0}').work
    assert isinstance(ranked, Rerank)
    assert ranked.documents == ["d"]
    embedded = parse_embeddings(b'{"model": "m", "input": "x", "dimensions": 4.0}').work
    assert isinstance(embedded, Embed)
    assert embedded.dimensions == 4


def test_looking_for_whole_floats_is_bounded() -> None:
    """A body of more values than anybody sends is refused as it is, not searched."""
    assert blamed(metadata={"a": [1] * MAX_VALUES}, max_tokens=8.0) == "max_tokens"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_any_float_is_an_integer_or_refused(number: float) -> None:
    """Never cut, never rounded."""
    try:
        assert chat(max_tokens=number).max_tokens == number
    except InvalidRequestError as error:
        assert error.param == "max_tokens"  # noqa: PT017 - either outcome is right


@pytest.mark.parametrize("field", list(REFUSED))
def test_what_would_change_the_answer_is_refused_by_name(field: str) -> None:
    """And values at which a field asks for nothing are none."""
    assert blamed(**{field: {"odd": 1}}) == field
    for neutral in REFUSED[field]:
        assert chat(**{field: neutral}).ignored == ()


def test_ignored_fields_are_told() -> None:
    """Unknown ones by name, also in messages and options; null and neutral values ask for nothing."""
    assert chat(
        service_tier="flex", unheard_of=[1], store=False, nothing=None, reasoning_effort="high"
    ).ignored == (
        "service_tier",
        "unheard_of",
        "reasoning_effort",
    )
    named = [
        {"role": "user", "content": "x", "name": "ada", "cache_control": {}},
        {"role": "user", "content": "y", "name": None},
    ]
    assert chat(messages=named).ignored == ("messages[].name", "messages[].cache_control")
    assert chat(stream=True, stream_options={"include_usage": True, "include_obfuscation": True}).ignored == (
        "stream_options.include_obfuscation",
    )
    assert chat(metadata={"conversation_id": "c"}).ignored == ()
    assert chat(metadata={"conversation_id": "c", "topic": "t"}).ignored == ("metadata",)
    for field, values in NEUTRAL.items():
        assert all(chat(**{field: value}).ignored == () for value in values)


def test_what_is_kept_of_names_is_bounded() -> None:
    """A client may invent any number of fields of any length."""
    kept = chat(**{f"{n}" + "x" * 500: 1 for n in range(100)}).ignored
    assert (len(kept), max(map(len, kept))) == (MAX_FIELDS, 64)
    assert chat(**{"a\x00b": 1}).ignored == ("ab",)
    assert (label("store"), label("invented")) == ("store", "_other")


def test_other_names_of_what_is_obeyed() -> None:
    """`repetition_penalty` is vLLM's name; llama.cpp's own wins over it."""
    assert chat(repetition_penalty=1.3).sampling.repeat_penalty == 1.3
    assert chat(repetition_penalty=1.3, repeat_penalty=1.1).sampling.repeat_penalty == 1.1
    assert chat(repeat_last_n=7).sampling.repeat_last_n == 7


def test_how_a_prompt_ends() -> None:
    """The usual, closed, or open; both at once is refused."""
    assert chat().ending == chat(add_generation_prompt=True).ending == "generation_prompt"
    assert chat(add_generation_prompt=False).ending == "turn"
    assert chat(continue_final_message=True).ending == "open_message"
    assert chat(continue_final_message=True, add_generation_prompt=False).ending == "open_message"
    assert blamed(continue_final_message=True, add_generation_prompt=True) == "continue_final_message"
    assert blamed(continue_final_message="yes") == "continue_final_message"


def test_embeddings_tell_what_they_ignore() -> None:
    """The same for the other APIs."""
    assert parse_embeddings(
        b'{"model": "m", "input": "x", "truncate": true, "user": "u", "odd": null}'
    ).work.ignored == ("truncate",)
    assert parse_rerank(
        b'{"model": "m", "query": "q", "documents": ["d"], "max_chunks_per_doc": 3}'
    ).work.ignored == ("max_chunks_per_doc",)


def test_ignored_fields_are_recorded_counted_and_shown(door: FakeServed) -> None:
    """In the row, on the request's page, and in the counter by API and field, where invented names are one
    series.
    """
    identity = "ignored-fields"
    body = {
        "model": "fake",
        "max_tokens": 1,
        "messages": MESSAGES,
        "service_tier": "flex",
        "<b>invented</b>": 1,
    }
    assert (
        httpx.post(
            f"{door.base_url}/v1//chat/completions", json=body, headers={"x-request-id": identity}
        ).status_code
        == 200
    )
    row = door.row(identity)
    assert json.loads(row["ignored_fields"]) == ["service_tier", "<b>invented</b>"]
    assert row["api"] == "chat.completions"
    page = httpx.get(f"{door.base_url}/dashboard/requests/{identity}").text
    assert "service_tier, &lt;b&gt;invented&lt;/b&gt;" in page
    metrics = httpx.get(f"{door.base_url}/metrics").text
    assert (
        'firsttoken_request_ignored_fields_total{api="chat.completions",field="service_tier"} 1.0' in metrics
    )
    assert 'firsttoken_request_ignored_fields_total{api="chat.completions",field="_other"} 1.0' in metrics
    assert "invented" not in metrics
    assert 'api="..v1' not in metrics


def test_an_open_message_reaches_the_engine(door: FakeServed) -> None:
    """The prompt ends in the message: shorter by the end of its turn and the beginning of the next (the
    fake counts bytes).
    """
    said = [{"role": "user", "content": "Count."}, {"role": "assistant", "content": "one,"}]
    sizes = {
        name: door.chat("", messages=said, max_tokens=1, **fields).json()["usage"]["prompt_tokens"]
        for name, fields in {
            "usual": {},
            "open": {"continue_final_message": True},
            "both said": {"continue_final_message": True, "add_generation_prompt": False},
        }.items()
    }
    assert sizes["open"] == sizes["both said"] == sizes["usual"] - len("\n<assistant>")
    refused = door.chat(messages=said, continue_final_message=True, add_generation_prompt=True)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "continue_final_message")
