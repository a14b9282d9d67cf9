"""Sequences with grammars on the fake backend: what is forced is computed once, and nothing mixes."""

from __future__ import annotations

import json
from collections.abc import Sequence as Tokens
from typing import Any

import pytest
from llguidance import LLTokenizer

from gateway.engine.cache.entry import Origin
from gateway.engine.grammar.choose import Candidate, choose
from gateway.engine.grammar.compiler import GrammarCompiler
from gateway.engine.grammar.constraint import Choice, Constraint, JsonSchema, Regex
from gateway.engine.grammar.limits import GrammarLimits
from gateway.engine.grammar.masks import Masks
from gateway.engine.grammar.matcher import Matcher
from gateway.engine.sequence.sequence import Sequence
from gateway.sampling import Sampling
from tests.engine.fakes import FakeBackend, sequence
from tests.engine.grammar.schemas import SCHEMAS
from tests.engine.grammar.walks import RandomSampler, invalid
from tests.engine.rig import Rig

TOKENIZER = LLTokenizer("byte")
END_TOKENS = frozenset(TOKENIZER.eos_tokens)
PROMPT = [7] * 10


class ByteVocabulary:
    """Tokens are bytes."""

    def piece(self, token: int) -> bytes:
        return bytes((token,)) if token < 256 else b""

    def is_end(self, token: int) -> bool:
        return token in END_TOKENS


class GrammarBackend(FakeBackend):
    """Draws at random where there is a grammar."""

    def __init__(self, slots: int) -> None:
        super().__init__(slots)
        self._masks = Masks(TOKENIZER.vocab_size, rows=1)

    def open(
        self,
        slot: int,
        sampling: Sampling,
        sampler: object | None = None,
        matcher: Matcher | None = None,
    ) -> None:
        made = sampler or (matcher and (RandomSampler(TOKENIZER, 1), matcher))
        super().open(slot, sampling, made)

    def _verify(self, held: list[int], guesses: Tokens[int]) -> list[int]:
        slot = next(slot for slot, tokens in self.slots.items() if tokens is held)
        opened: Any = self.opened[slot]
        if not isinstance(opened, tuple):
            return super()._verify(held, guesses)
        given: list[int] = []
        for guess in (*guesses, None):
            candidate = Candidate(opened[0], opened[0].logits(TOKENIZER.vocab_size), opened[1])
            (token,) = choose([candidate], self._masks)
            given += [] if token is None else [token]
            if token is None or token != guess:
                break
            held.append(token)
        return given


class GrammarRig(Rig):
    """The rig of other tests, with bytes for tokens."""

    def __init__(self, slots: int = 4, **more: Any) -> None:
        super().__init__(slots=slots, backend=GrammarBackend(slots), vocabulary=ByteVocabulary(), **more)
        self.compiler = GrammarCompiler(TOKENIZER)

    def constrained(self, name: str, constraint: Constraint, max_tokens: int = 400, **more: Any) -> Sequence:
        """A sequence of its own prompt."""
        made = sequence(name, more.pop("prompt", PROMPT), max_tokens, **more)
        made.matcher = self.compiler.compile(constraint)
        return made


def schema(name: str) -> JsonSchema:
    return JsonSchema(json.dumps(SCHEMAS[name]))


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_answer_conforms_and_ends_by_itself(name: str) -> None:
    """No end token is sampled where nothing else could follow."""
    rig = GrammarRig(n_ctx=4096)
    rig.add(rig.constrained("a", schema(name), 2000))
    rig.run()
    assert rig.finished["a"].reason == "stop"
    assert not invalid(SCHEMAS[name], rig.texts["a"].encode())


def test_forced_tokens_take_no_steps_of_their_own() -> None:
    """They are computed with the token before them, count as output, and the step's sample tells them."""
    rig = GrammarRig(max_batch=256)
    rig.add(rig.constrained("a", Regex("[ab]" + "x" * 40 + "[ab]" + "y" * 5 + "[ab]")))
    rig.run()
    assert rig.finished["a"].completion_tokens == len(rig.texts["a"]) == 48
    decodes = [batch for batch in rig.batches if batch.decode_tokens]
    assert [batch.forced for batch in decodes] == [32, 7, 5]
    assert rig.finished["a"].timings[-1].attributes["grammar_forced_tokens"] == 44


def test_a_small_batch_has_room_for_all() -> None:
    """What is forced is bounded by each slot's share of it."""
    rig = GrammarRig(slots=4, max_batch=12)
    for number in range(4):
        rig.add(rig.constrained(str(number), Choice((f"{number}" * 30 + "x", f"{number}" * 30 + "y"))))
    rig.run()
    assert max(sum(len(part.tokens) for part in batch.parts) for batch in rig.batches) <= 12
    assert {text[:30] for text in rig.texts.values()} == {f"{number}" * 30 for number in range(4)}


def test_limits_cut_what_is_forced() -> None:
    """`max_tokens`, the context and stop strings hold for it too."""
    rig = GrammarRig(n_ctx=30)
    rig.add(rig.constrained("short", Choice(("abcdefgh",)), 3))
    rig.add(rig.constrained("full", Regex("x{100}"), prompt=[8] * 20))
    rig.add(rig.constrained("stopped", Choice(("abc END def",)), stop=(" END",), prompt=[9] * 10))
    rig.run()
    assert rig.texts == {"short": "abc", "full": "x" * 10, "stopped": "abc"}
    reasons = {name: finished.reason for name, finished in rig.finished.items()}
    assert reasons == {"short": "length", "full": "length", "stopped": "stop"}


def test_others_are_answered_as_without_it() -> None:
    """Beside sequences with grammars, those without get their own tokens."""
    alone, beside = GrammarRig(), GrammarRig()
    for rig in (alone, beside):
        rig.add(sequence("free", [3] * 5, 20))
    beside.add(beside.constrained("a", schema("order"), 2000), beside.constrained("b", schema("tree"), 2000))
    alone.run()
    beside.run()
    assert beside.texts["free"] == alone.texts["free"]


@pytest.mark.parametrize("step", [2, 4, 6])
def test_a_failed_batch_is_tried_again_from_where_it_was(step: int) -> None:
    """The one with the long prompt ends; the grammar of the other is where its tokens are, and its answer is
    whole, also where its matcher had gone ahead.
    """
    rig = GrammarRig(max_stall_tokens=16, n_ctx=4096)
    answer = rig.constrained("a", schema("order"), 2000)
    rig.add(answer, sequence("victim", [3] * 400, 30))
    for _ in range(step):
        rig.step()
    assert answer.matcher is not None
    ahead = answer.matcher.deep_copy().forced_tokens()
    answer.matcher.forced_tokens()
    rig.backend.fail_next = True
    rig.run()
    assert answer.matcher.consumed >= answer.progress.completion_tokens > len(ahead)
    assert rig.finished["victim"].reason == "error"
    assert not invalid(SCHEMAS["order"], rig.texts["a"].encode())


def test_a_suspended_answer_goes_on() -> None:
    """A background sequence gives up its slot in the middle, and its grammar waits with it."""
    rig = GrammarRig(slots=1)
    low = rig.constrained("low", schema("order"), 2000, origin=Origin(background=True))
    rig.add(low)
    for _ in range(6):
        rig.step()
    rig.add(rig.constrained("high", schema("flat"), prompt=[5] * 10))
    rig.run()
    assert list(rig.finished) == ["high", "low"]
    assert not invalid(SCHEMAS["order"], rig.texts["low"].encode())


def test_guesses_that_the_grammar_refuses_are_not_computed() -> None:
    """Prompt lookup proposes what it has seen; the draft ends where the grammar does."""
    rig = GrammarRig()
    prompt = list(b'{"street":"') * 3
    rig.add(rig.constrained("a", Regex("([ab]{4},){30}"), prompt=prompt, drafting=True))
    rig.run()
    assert rig.finished["a"].reason == "stop"
    assert len(rig.texts["a"]) == 150


def test_a_grammar_that_cannot_go_on_ends_its_sequence_only() -> None:
    """With an error that says why."""
    rig = GrammarRig()
    strict = GrammarCompiler(TOKENIZER, GrammarLimits(step_fuel=10))
    bad = sequence("bad", PROMPT, 100)
    bad.matcher = strict.compile(Regex("(.*a.{30}|.*b.{20}c){2}"))
    rig.add(bad, sequence("free", [3] * 5, 5))
    rig.run()
    assert rig.finished["bad"].reason == "error"
    assert "cannot go on" in rig.finished["bad"].message
    assert rig.finished["free"].reason == "length"
