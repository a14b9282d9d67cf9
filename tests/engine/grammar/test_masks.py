"""Masks in logits."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llguidance import LLTokenizer
from llguidance.numpy import apply_token_bitmask_inplace

from gateway.engine.grammar.compiler import GrammarCompiler
from gateway.engine.grammar.constraint import JsonSchema, Regex
from gateway.engine.grammar.limits import GrammarLimits
from gateway.engine.grammar.masks import Masks, refuse
from tests.engine.grammar.schemas import SCHEMAS


@given(st.binary(min_size=4, max_size=64), st.integers(0, 31))
def test_refuse_is_what_the_library_does(words: bytes, short: int) -> None:
    """Also where the vocabulary is no multiple of 32."""
    bits = np.frombuffer(words[: len(words) // 4 * 4], dtype=np.int32).copy()
    expected = np.arange(len(bits) * 32 - short, dtype=np.float32)
    logits = expected.copy()
    apply_token_bitmask_inplace(expected, bits)
    refuse(logits, bits)
    assert np.array_equal(logits, expected)


@pytest.mark.parametrize("threads", [1, 3])
def test_many_masks_are_those_of_each(byte_tokenizer: LLTokenizer, threads: int) -> None:
    """With the library's threads and without."""
    compiler = GrammarCompiler(byte_tokenizer)
    matchers = [compiler.compile(JsonSchema(json.dumps(schema))) for schema in SCHEMAS.values()]
    for number, matcher in enumerate(matchers):
        matcher.forced_tokens(number)
    together, alone = (
        [np.zeros(byte_tokenizer.vocab_size, dtype=np.float32) for _ in matchers] for _ in range(2)
    )  # fmt: skip
    Masks(byte_tokenizer.vocab_size, rows=len(matchers), threads=threads).refuse(matchers, together)
    one = Masks(byte_tokenizer.vocab_size, rows=1)
    for matcher, logits in zip(matchers, alone, strict=True):
        one.refuse([matcher], [logits])
    assert np.array_equal(together, alone)
    assert len({logits.tobytes() for logits in together}) > 5
    assert [matcher.counts.masks for matcher in matchers] == [2] * len(matchers)
    assert all(matcher.counts.attributes()["grammar_mask_us"] for matcher in matchers)


def test_a_mask_that_cannot_be_filled_leaves_only_end_tokens(byte_tokenizer: LLTokenizer) -> None:
    """The failure is the matcher's to tell."""
    compiler = GrammarCompiler(byte_tokenizer, GrammarLimits(step_fuel=10))
    matcher = compiler.compile(Regex("(q.*a.{30}|q.*b.{20}c){2}"))
    matcher.consume(ord("q"))
    logits = np.zeros(byte_tokenizer.vocab_size, dtype=np.float32)
    Masks(byte_tokenizer.vocab_size, rows=1).refuse([matcher], [logits])
    assert np.flatnonzero(np.isfinite(logits)).tolist() == sorted(byte_tokenizer.eos_tokens)
    assert matcher.failure
