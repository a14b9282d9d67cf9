"""A backend without a model: each sequence's tokens follow from its own prompt, so mixing would be seen at
once.
"""

from __future__ import annotations

from collections.abc import Sequence as Tokens
from typing import Any

import numpy as np

from gateway.engine.backend import BackendError, Batch
from gateway.engine.cache.entry import Origin, State
from gateway.engine.cache.reasons import Comparison
from gateway.engine.grammar.matcher import Matcher
from gateway.engine.sequence.lookup import Lookup
from gateway.engine.sequence.request import GenerationRequest
from gateway.engine.sequence.sequence import Sequence
from gateway.engine.speculative.prompt_lookup import PromptLookup
from gateway.sampling import Sampling
from telemetry.events import CacheReason

END = 0
"""The fake vocabulary's end-of-generation token."""
ADAPTERS = ("", "sql", "law")

TOKEN_NS = 1_000_000
"""What each token of a batch costs on the fake clock."""


class FakeVocabulary:
    """Token n is the text `<n>`."""

    def piece(self, token: int) -> bytes:
        return f"<{token}>".encode()

    def is_end(self, token: int) -> bool:
        return token == END


class FakeBackend:
    """Keeps the tokens of each slot and answers with `next_token` of them; checks every position that it is
    given.

    A state is the tokens themselves and each one's adapter, so that a wrong one would be seen at once.
    """

    kernel_min_rows = 0
    trims = True

    def __init__(self, slots: int = 4, *, keeps_idle: bool = True, period: int = 0) -> None:
        self.keeps_idle = keeps_idle
        self.period = period
        self.guessed = 0
        self.slots: dict[int, list[int]] = {slot: [] for slot in range(slots)}
        self.made_with: dict[int, list[str]] = {slot: [] for slot in range(slots)}
        """The adapter that each token of a slot was computed with."""
        self.opened: dict[int, object] = {}
        """Slot → what chooses its tokens."""
        self.logprobs: dict[int, list[Any]] = {}
        self.fail_next = False
        self.fail_restores = False
        self.computed = 0
        self.restored = 0
        self.threads: tuple[int, int] | None = None

    def open(
        self,
        slot: int,
        sampling: Sampling,
        sampler: object | None = None,
        matcher: Matcher | None = None,
    ) -> None:
        assert slot not in self.opened, f"slot {slot} was opened twice"
        self.opened[slot] = sampler or object()

    def sampler(self, *_asked: object) -> None:
        """`open` makes one."""

    def compute(self, batch: Batch) -> dict[int, list[int]]:
        if self.fail_next:
            self.fail_next = False
            # as llama.cpp does: what was computed before it failed stays in the state
            for part in batch.parts[:-1]:
                self.slots[part.slot].extend(part.tokens)
                self.made_with[part.slot].extend([batch.adapter] * len(part.tokens))
            raise BackendError("the fake was told to fail")
        sampled = {}
        for part in batch.parts:
            assert part.slot in self.opened, f"slot {part.slot} is computed and nobody opened it"
            held = self.slots[part.slot]
            assert part.position == len(held), (
                f"slot {part.slot} holds {len(held)} tokens and was given position {part.position}"
            )
            self.computed += len(part.tokens)
            held.extend(part.tokens[: len(part.tokens) - part.drafted])
            if part.sample:
                sampled[part.slot] = self._verify(held, part.tokens[len(part.tokens) - part.drafted :])
            made_with = self.made_with[part.slot]
            made_with.extend([batch.adapter] * (len(held) - len(made_with)))
            assert set(made_with) == {batch.adapter}, f"slot {part.slot} was computed with {set(made_with)}"
        return sampled

    def use_threads(self, decode: int, batch: int) -> None:
        self.threads = (decode, batch)

    def abort(self) -> None:
        """Nothing takes long here."""

    def _verify(self, held: list[int], guesses: Tokens[int]) -> list[int]:
        sampled = [self.next_token(held)]
        for guess in guesses:
            if guess != sampled[-1]:
                break
            held.append(guess)
            self.guessed += 1
            sampled.append(self.next_token(held))
        return sampled

    def next_token(self, held: list[int]) -> int:
        """What the fake model says next."""
        return next_token(held, self.period)

    def close(self, slot: int) -> object:
        return self.opened.pop(slot)

    def trim(self, slot: int, tokens: int) -> bool:
        known = len(self.slots[slot]) >= tokens
        self.slots[slot] = self.slots[slot][:tokens] if known else []
        self.made_with[slot] = self.made_with[slot][: len(self.slots[slot])]
        return known

    def save(self, slot: int) -> State | None:
        marked = [
            token | ADAPTERS.index(adapter) << 20
            for token, adapter in zip(self.slots[slot], self.made_with[slot], strict=True)
        ]
        return np.array(marked, dtype=np.int32).view(np.uint8)

    def restore(self, slot: int, state: State, tokens: int) -> bool:
        assert not self.slots[slot], f"slot {slot} is restored and not empty"
        assert slot not in self.opened
        if self.fail_restores:
            return False
        marked = [int(token) for token in state.view(np.int32)][:tokens]
        self.slots[slot] = [token & (1 << 20) - 1 for token in marked]
        self.made_with[slot] = [ADAPTERS[token >> 20] for token in marked]
        self.restored += tokens
        return True

    def fork(self, source: int, target: int, tokens: int) -> bool:
        if self.keeps_idle:
            return False
        self.slots[target], self.made_with[target] = (
            self.slots[source][:tokens],
            self.made_with[source][:tokens],
        )
        return True


def next_token(held: Tokens[int], period: int = 0) -> int:
    """Depends on the first token (whose conversation it is) and the length only; repeats itself with a
    period.
    """
    return held[0] * 1000 + (len(held) % period if period else len(held))


def expected(prompt: Tokens[int], count: int, period: int = 0) -> list[int]:
    """What a sequence of this prompt must be given."""
    held, given = list(prompt), []
    for _ in range(count):
        given.append(next_token(held, period))
        held.append(given[-1])
    return given


def sequence(name: str, prompt: list[int], max_tokens: int, **more: Any) -> Sequence:
    """A sequence ready to be queued, that comes from an `origin`; `more` is of its request."""
    queued_ns, drafting = more.pop("queued_ns", 0), more.pop("drafting", False)
    found = Lookup(
        origin=more.pop("origin", Origin()),
        cacheable=more.pop("cacheable", True),
        comparison=Comparison(CacheReason.NEW_CONVERSATION),
    )
    background = found.origin.background
    request = GenerationRequest(
        id=name,
        prompt=prompt,
        sampling=Sampling(),
        max_tokens=max_tokens,
        background=background,
        **more,
    )
    made = Sequence(request, queued_ns, lookup=found)
    made.drafter = PromptLookup(made.progress.tokens) if drafting else None
    return made
