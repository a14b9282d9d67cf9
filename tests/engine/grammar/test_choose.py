"""llama.cpp's order: sample, ask, and only on refusal mask and sample again."""

from __future__ import annotations

import numpy as np
import pytest
from llguidance import LLTokenizer

from gateway.engine.grammar.choose import Candidate, choose
from gateway.engine.grammar.compiler import GrammarCompiler
from gateway.engine.grammar.constraint import Choice, Regex
from gateway.engine.grammar.limits import GrammarLimits
from gateway.engine.grammar.masks import Masks
from gateway.engine.grammar.matcher import Logits


class Greedy:
    """Takes the largest logit, and notes what it is told."""

    def __init__(self) -> None:
        self.drawn: list[int] = []
        self.accepted: list[int] = []

    def draw(self, logits: Logits) -> int:
        self.drawn.append(int(np.argmax(logits)))
        return self.drawn[-1]

    def accept(self, token: int) -> None:
        self.accepted.append(token)


@pytest.fixture
def masks(byte_tokenizer: LLTokenizer) -> Masks:
    return Masks(byte_tokenizer.vocab_size, rows=3)


def row(tokenizer: LLTokenizer, wishes: bytes) -> Logits:
    """Logits of a model that would like these bytes most, the first above all."""
    logits = np.zeros(tokenizer.vocab_size, dtype=np.float32)
    for rank, wish in enumerate(wishes):
        logits[wish] = len(wishes) - rank
    return logits


def test_what_is_allowed_needs_no_mask(
    compiler: GrammarCompiler,
    byte_tokenizer: LLTokenizer,
    masks: Masks,
) -> None:
    """One draw, and the logits stay as they are."""
    sampler, matcher, logits = Greedy(), compiler.compile(Regex("[ab]c")), row(byte_tokenizer, b"bx")
    assert choose([Candidate(sampler, logits, matcher)], masks) == [ord("b")]
    assert (matcher.counts.resamples, matcher.counts.masks) == (0, 0)
    assert np.array_equal(logits, row(byte_tokenizer, b"bx"))
    assert sampler.drawn == sampler.accepted == [ord("b")]
    assert matcher.validate(b"c") == 1


def test_what_is_refused_is_drawn_again_and_never_accepted(
    compiler: GrammarCompiler,
    byte_tokenizer: LLTokenizer,
    masks: Masks,
) -> None:
    """The next best that is allowed; penalties remember only that."""
    sampler, matcher = Greedy(), compiler.compile(Regex("[ab]c"))
    assert choose([Candidate(sampler, row(byte_tokenizer, b"xyba"), matcher)], masks) == [ord("b")]
    assert sampler.drawn == [ord("x"), ord("b")]
    assert sampler.accepted == [ord("b")]
    assert (matcher.counts.resamples, matcher.counts.masks) == (1, 1)
    assert matcher.counts.mask_ns > 0


def test_sequences_with_and_without_grammars(
    compiler: GrammarCompiler,
    byte_tokenizer: LLTokenizer,
    masks: Masks,
) -> None:
    """Together: each gets its own, and only what was refused is drawn again."""
    samplers = [Greedy() for _ in range(3)]
    matchers = [compiler.compile(Choice(("yes",))), None, compiler.compile(Choice(("no", "xno")))]
    rows = [row(byte_tokenizer, b"xn") for _ in range(3)]
    candidates = [Candidate(*each) for each in zip(samplers, rows, matchers, strict=True)]
    assert choose(candidates, masks) == list(b"yxx")
    assert [len(sampler.drawn) for sampler in samplers] == [2, 1, 1]


def test_one_that_cannot_go_on_harms_no_other(byte_tokenizer: LLTokenizer, masks: Masks) -> None:
    """It gets no token, and its matcher says why."""
    strict = GrammarCompiler(byte_tokenizer, GrammarLimits(step_fuel=10))
    broken, fine = strict.compile(Regex("(q.*a.{30}|q.*b.{20}c){2}")), strict.compile(Choice(("ab",)))
    broken.consume(ord("q"))
    samplers = [Greedy(), Greedy()]
    refused = byte_tokenizer.eos_token
    rows = [row(byte_tokenizer, bytes([1])) for _ in range(2)]
    rows[0][refused] = 9
    candidates = [Candidate(*each) for each in zip(samplers, rows, (broken, fine), strict=True)]
    assert choose(candidates, masks) == [None, ord("a")]
    assert broken.failure
    assert samplers[0].accepted == []


def test_a_whole_answer(compiler: GrammarCompiler, byte_tokenizer: LLTokenizer, masks: Masks) -> None:
    """Token by token to the end, which is known without sampling an end token."""
    sampler, matcher = Greedy(), compiler.compile(Regex('"[a-c]{3}"'))
    while not matcher.stopped:
        choose([Candidate(sampler, row(byte_tokenizer, b"c"), matcher)], masks)
    assert bytes(sampler.accepted) == b'"ccc"'
    assert matcher.counts.resamples == 2
    assert matcher.counts.attributes()["grammar_kind"] == "regex"
