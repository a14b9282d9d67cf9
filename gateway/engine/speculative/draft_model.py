"""What a draft model's slots hold, and the computing of drafts: catching up, then one guess per round for all sequences at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.engine.backend import Backend, Batch, Part, Wish
from gateway.engine.protocol import Sampling

BLOCK = 256
"""Tokens compared at once."""


@dataclass(slots=True)
class Drafts:
    """What came of wishes: guesses by slot, and for learning the tokens caught up with and the rounds with their rows, with
    what each took (ns).
    """

    guesses: dict[int, list[int]] = field(default_factory=dict)
    caught_up: tuple[int, int] = (0, 0)
    rounds: list[tuple[int, int]] = field(default_factory=list)


class DraftStates:
    """The tokens in each slot of the draft model, and how many of them are those of the sequence that is there now."""

    def __init__(self, slots: int) -> None:
        self.held: list[list[int]] = [[] for _ in range(slots)]
        self._followed: list[tuple[Sequence[int] | None, int]] = [(None, 0)] * slots

    def common(self, slot: int, tokens: Sequence[int]) -> int:
        """How many of the sequence's tokens the slot holds; the last one is always to be computed (again).

        A sequence's list of tokens only grows, so what was compared once is not compared again.
        """
        held, (followed, same) = self.held[slot], self._followed[slot]
        most = min(len(held), len(tokens) - 1)
        same = min(same, most) if followed is tokens else 0
        while same + BLOCK <= most and held[same : same + BLOCK] == tokens[same : same + BLOCK]:
            same += BLOCK
        while same < most and held[same] == tokens[same]:
            same += 1
        self._followed[slot] = (tokens, same)
        return same


class DraftModel:
    """Computes wishes with a backend of its own, one sequence per slot, always taking the likeliest token.

    `n_vocab` bounds what may be fed and guessed: padding at the end of vocabularies differs.
    """

    def __init__(
        self,
        backend: Backend,
        slots: int,
        *,
        n_vocab: int,
        is_end: Callable[[int], bool],
        clock_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.backend = backend
        self.states = DraftStates(slots)
        self._n_vocab = n_vocab
        self._is_end = is_end
        self._clock_ns = clock_ns
        for slot in range(slots):
            backend.open(slot, Sampling(temperature=0.0))

    def draft(self, wishes: Sequence[Wish]) -> Drafts:
        """Do what is wished.

        Raises:
            BackendError: it cannot be computed; nothing may be wished afterwards.
        """
        drafts = Drafts()
        for wish in wishes:
            self._cut(wish)
        self._catch_up([wish for wish in wishes if not wish.guesses], drafts)
        self._guess([wish for wish in wishes if wish.guesses], drafts)
        return drafts

    def _cut(self, wish: Wish) -> None:
        """Take off what is not the sequence's."""
        held, keep = self.states.held[wish.slot], self.states.common(wish.slot, wish.tokens)
        if keep < len(held):
            kept = self.backend.trim(wish.slot, keep)
            del held[keep if kept else 0 :]

    def _catch_up(self, wishes: Sequence[Wish], drafts: Drafts) -> None:
        parts = [part for wish in wishes if (part := self._part(wish, wish.feed, sample=False)) is not None]
        if parts:
            start_ns = self._clock_ns()
            self._compute(parts)
            drafts.caught_up = (sum(len(part.tokens) for part in parts), self._clock_ns() - start_ns)

    def _guess(self, wishes: Sequence[Wish], drafts: Drafts) -> None:
        """Rounds until all have what was wished; a guess that would end the text is the last one."""
        wished = {wish.slot: wish.guesses for wish in wishes}
        parts = [part for wish in wishes if (part := self._part(wish, len(wish.tokens), sample=True)) is not None]
        while parts:
            start_ns = self._clock_ns()
            sampled = self._compute(parts)
            drafts.rounds.append((sum(len(part.tokens) for part in parts), self._clock_ns() - start_ns))
            following: list[Part] = []
            for part in parts:
                token, guesses = sampled[part.slot][0], drafts.guesses.setdefault(part.slot, [])
                if token >= self._n_vocab:
                    continue
                guesses.append(token)
                if len(guesses) < wished[part.slot] and not self._is_end(token):
                    following.append(Part(part.slot, (token,), len(self.states.held[part.slot]), sample=True, prefill=False))
            parts = following

    def _part(self, wish: Wish, most: int, *, sample: bool) -> Part | None:
        """The next tokens that the slot lacks; None where there is one that the draft model does not know."""
        at = len(self.states.held[wish.slot])
        tokens = wish.tokens[at : at + most]
        if not tokens or max(tokens) >= self._n_vocab:
            return None
        return Part(wish.slot, tokens, at, sample=sample, prefill=not sample)

    def _compute(self, parts: Sequence[Part]) -> dict[int, list[int]]:
        sampled = self.backend.compute(Batch(tuple(parts)))
        for part in parts:
            self.states.held[part.slot].extend(part.tokens)
        return sampled
