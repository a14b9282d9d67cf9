"""One sequence's place in its grammar: drafts, copies, and what is forced, as properties of random walks."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llguidance import LLTokenizer

from gateway.engine.grammar.compiler import GrammarCompiler
from gateway.engine.grammar.constraint import Choice, Constraint, JsonSchema, Regex
from gateway.engine.grammar.errors import MatcherError
from gateway.engine.grammar.limits import GrammarLimits
from gateway.engine.grammar.matcher import Matcher
from tests.engine.grammar.schemas import SCHEMAS

GRAMMARS: list[Constraint] = [
    *(JsonSchema(json.dumps(SCHEMAS[name])) for name in ("flat", "union", "tree", "order", "optional")),
    JsonSchema(json.dumps(SCHEMAS["intersection"])),
    Choice(("order", "orderId", "orderName", "other")),
    Regex("(ab|a[bc]+d){2,5}"),
]

Choices = list[float]
"""Which of the allowed tokens to take, each as a share of them."""

grammars = st.integers(0, len(GRAMMARS) - 1)
choices = st.lists(st.floats(0, 1, exclude_max=True), max_size=40)


@cache
def _compiler() -> GrammarCompiler:
    return GrammarCompiler(LLTokenizer("byte"))


def start(number: int) -> Matcher:
    return _compiler().compile(GRAMMARS[number])


def mask(matcher: Matcher) -> list[int]:
    """The tokens that are allowed."""
    bits = np.zeros(-(-_compiler()._tokenizer.vocab_size // 32), dtype=np.int32)
    matcher.fill(bits)
    return [int(token) for token in np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little"))]


def follow(matcher: Matcher, taken: Choices) -> list[int]:
    """Consume a token for each choice, as long as there is one to choose; returns them."""
    tokens = []
    for share in taken:
        allowed = [token for token in mask(matcher) if token < 256]
        if matcher.stopped or not allowed:
            break
        tokens.append(allowed[int(share * len(allowed))])
        matcher.consume(tokens[-1])
    return tokens


def seen(matcher: Matcher) -> tuple[list[int], bool, bool]:
    return mask(matcher), matcher.accepting, matcher.stopped


@given(grammars, choices, choices)
def test_rollback_undoes_what_was_consumed(number: int, before: Choices, draft: Choices) -> None:
    """A refused draft leaves no trace, also where it came to the end."""
    matcher = start(number)
    follow(matcher, before)
    place, consumed = seen(matcher), matcher.consumed
    matcher.rollback(len(follow(matcher, draft)))
    assert (seen(matcher), matcher.consumed) == (place, consumed)


@given(grammars, choices, choices, choices)
def test_copies_go_their_own_ways(number: int, shared: Choices, one: Choices, other: Choices) -> None:
    """Each is where it would be alone."""
    first = start(number)
    prefix = follow(first, shared)
    second = first.deep_copy()
    texts = [prefix + follow(matcher, taken) for matcher, taken in ((first, one), (second, other))]
    for matcher, text in zip((first, second), texts, strict=True):
        alone = start(number)
        for token in text:
            alone.consume(token)
        assert seen(alone) == seen(matcher)
        assert alone.consumed == matcher.consumed == len(text)


@given(grammars, choices)
def test_validate_agrees_with_the_mask_and_changes_nothing(number: int, taken: Choices) -> None:
    """For every byte, at any place."""
    matcher = start(number)
    follow(matcher, taken)
    place = seen(matcher)
    allowed = [token for token in place[0] if token < 256]
    assert [token for token in range(256) if matcher.validate([token])] == allowed
    assert seen(matcher) == place


@given(grammars, choices, choices)
def test_validate_counts_what_of_a_draft_can_follow(number: int, before: Choices, draft: Choices) -> None:
    """All of what the grammar itself leads to, and none after the first wrong one."""
    matcher = start(number)
    follow(matcher, before)
    tokens = follow(matcher.deep_copy(), draft)
    assert matcher.validate(tokens) == len(tokens)
    refused = sorted(set(range(256)) - set(mask(matcher)))
    if refused:
        assert matcher.validate([refused[0], *tokens]) == 0


@given(grammars, choices)
def test_what_is_forced_is_what_would_be_said(number: int, taken: Choices) -> None:
    """Forced equals unforced: every walk from here begins with the forced bytes."""
    matcher = start(number)
    follow(matcher, taken)
    forced = matcher.deep_copy().forced_tokens()
    for token in forced:
        assert [one for one in mask(matcher) if one < 256] == [token]
        matcher.consume(token)
    assert matcher.forced_tokens() == []


@given(grammars, choices)
def test_a_text_with_forced_tokens_is_a_text_of_the_grammar(number: int, taken: Choices) -> None:
    """Skipping what is forced leads where sampling it would have led."""
    skipping, plain = start(number), start(number)
    text = skipping.forced_tokens()
    for share in taken:
        text += follow(skipping, [share]) + skipping.forced_tokens()
    for token in text:
        plain.consume(token)
    assert seen(plain) == seen(skipping)


def test_forced_tokens_are_counted_and_can_be_cut() -> None:
    """A limit leaves the rest for later."""
    matcher = start(6)
    assert matcher.forced_tokens(0) == []
    assert matcher.forced_tokens(1) == list(b"o")
    assert (matcher.counts.forced_tokens, matcher.consumed) == (1, 1)
    assert matcher.deep_copy().counts.forced_tokens == 0


def test_the_end(byte_tokenizer: LLTokenizer) -> None:
    """Accepting, then stopped; end tokens are all that may follow, and change nothing."""
    matcher = GrammarCompiler(byte_tokenizer).compile(Regex("ab?"))
    assert (matcher.accepting, matcher.stopped) == (False, False)
    matcher.consume(ord("a"))
    assert (matcher.accepting, matcher.stopped) == (True, False)
    matcher.consume(ord("b"))
    assert (matcher.accepting, matcher.stopped) == (True, True)
    assert mask(matcher) == sorted(byte_tokenizer.eos_tokens)
    matcher.consume(byte_tokenizer.eos_token)
    assert (matcher.stopped, matcher.failure, matcher.forced_tokens()) == (True, "", [])


def test_an_end_token_is_refused_before_the_end(byte_tokenizer: LLTokenizer) -> None:
    """And ends the answer where it is one."""
    matcher = GrammarCompiler(byte_tokenizer).compile(Regex("ab?"))
    assert matcher.validate([byte_tokenizer.eos_token]) == 0
    matcher.consume(ord("a"))
    assert matcher.validate([byte_tokenizer.eos_token]) == 1
    matcher.consume(byte_tokenizer.eos_token)
    assert matcher.stopped


def test_a_token_that_is_refused_is_an_error() -> None:
    """And stays one: nothing is to be done with it any more."""
    matcher = start(7)
    with pytest.raises(MatcherError):
        matcher.consume(ord("x"))
    assert matcher.failure
    with pytest.raises(MatcherError):
        matcher.forced_tokens()


def test_a_grammar_that_outgrows_its_limits_says_so(byte_tokenizer: LLTokenizer) -> None:
    """In the library's words, without the inside of the grammar."""
    compiler = GrammarCompiler(byte_tokenizer, GrammarLimits(step_fuel=10))
    matcher = compiler.compile(Regex("(q.*a.{30}|q.*b.{20}c){2}"))
    matcher.consume(ord("q"))
    mask(matcher)
    assert matcher.failure
    assert "verbose" not in matcher.failure
