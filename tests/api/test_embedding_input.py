"""Every form of an embeddings request's input, read without a pass of Python over its tokens."""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.openai.embedding_input import MAX_INPUTS, MAX_TOKENS, inputs_of
from gateway.errors import InvalidRequestError

TEXTS = st.text(min_size=1, max_size=20)
TOKENS = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=20)


def read(given: Any) -> list[str | list[int]]:
    return inputs_of(msgspec.Raw(json.dumps(given).encode()))


def blamed(given: Any) -> str | None:
    with pytest.raises(InvalidRequestError) as error:
        read(given)
    return error.value.param


@given(TEXTS, TOKENS, st.lists(TEXTS | TOKENS, min_size=1, max_size=5))
def test_each_form_is_a_list_of_inputs(text: str, tokens: list[int], mixed: list[str | list[int]]) -> None:
    """One text, one list of tokens, or a list of either."""
    assert read(text) == [text]
    assert read(tokens) == [tokens]
    assert read(mixed) == mixed
    assert read([float(token) for token in tokens]) == [tokens]


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        (None, "input"), (5, "input"), ({}, "input"), ("", "input[0]"), ([], "input"), ([""], "input[0]"),
        (["a", ""], "input[1]"), ([[]], "input[0]"), ([[5], []], "input[1]"), (["a", 5], "input[1]"),
        ([5, "a"], "input[1]"), ([5, -1], "input[1]"), ([2**31], "input[0]"), ([[5, 6.5]], "input[0]"),
        ([[5], [True]], "input[1]"), ([[[5]]], "input[0]"), (["a"] * (MAX_INPUTS + 1), "input"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(wrong: Any, param: str) -> None:
    """By the index of the input, or of the token in a list of tokens."""
    assert blamed(wrong) == param


@pytest.mark.parametrize("shape", [lambda many: many, lambda many: [many], lambda many: ["text", many]])
def test_too_many_tokens_are_refused(shape: Any) -> None:
    """More than OpenAI takes, in whatever form; a text with as many commas is a text."""
    assert blamed(shape([1] * (MAX_TOKENS + 1))) == "input"
    assert len(read(shape([1] * MAX_TOKENS))) >= 1
    assert read("," * (MAX_TOKENS + 1)) == ["," * (MAX_TOKENS + 1)]


def test_tokens_are_not_gone_through_in_python() -> None:
    """As many lines of ours are run for ten thousand tokens as for ten."""

    def lines(given: Any) -> int:
        raw, count = msgspec.Raw(json.dumps(given).encode()), 0

        def trace(_frame: Any, _event: str, _argument: Any) -> Any:
            nonlocal count
            count += 1
            return trace

        sys.settrace(trace)
        try:
            inputs_of(raw)
        finally:
            sys.settrace(None)
        return count

    assert lines([1] * 10) == lines([1] * 10_000)
    assert lines([[1] * 10]) == lines([[1] * 10_000])
