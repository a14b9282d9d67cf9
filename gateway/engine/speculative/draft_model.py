"""A draft model: the states of its slots, and the computing of drafts: catching up, then one guess per round
for all sequences at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.engine.backend import Backend, Batch, DraftRequest, Part
from gateway.sampling import Sampling

BLOCK = 256
"""Tokens compared at once."""


@dataclass(slots=True)
class Drafts:
    """The answer to draft requests: guesses by slot, and for learning the tokens caught up with and the
    rounds with their rows, with what each took (ns).
    """

    guesses: dict[int, list[int]] = field(default_factory=dict)
    caught_up: tuple[int, int] = (0, 0)
    rounds: list[tuple[int, int]] = field(default_factory=list)


class DraftStates:
    """The tokens in each slot of the draft model, and how many of them are those of the sequence that is
    there now.
    """

    def __init__(self, slots: int) -> None:
        self.tokens: list[list[int]] = [[] for _ in range(slots)]
        self._followed: list[tuple[Sequence[int] | None, int]] = [(None, 0)] * slots

    def common(self, slot: int, tokens: Sequence[int]) -> int:
        """The number of the sequence's tokens that the slot holds; the last one is always to be computed
        (again).

        A sequence's list of tokens only grows, so what was compared once is not compared again.
        """
        held, (followed, same) = self.tokens[slot], self._followed[slot]
        most = min(len(held), len(tokens) - 1)
        same = min(same, most) if followed is tokens else 0
        while same + BLOCK <= most and held[same : same + BLOCK] == tokens[same : same + BLOCK]:
            same += BLOCK
        while same < most and held[same] == tokens[same]:
            same += 1
        self._followed[slot] = (tokens, same)
        return same


class DraftModel:
    """Computes draft requests with a backend of its own, one sequence per slot, always taking the likeliest
    token.

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

    def draft(self, draft_requests: Sequence[DraftRequest]) -> Drafts:
        """Do what is asked for.

        Raises:
            BackendError: it cannot be computed; nothing may be asked for afterwards.
        """
        drafts = Drafts()
        for draft_request in draft_requests:
            self._cut(draft_request)
        self._catch_up([one for one in draft_requests if not one.guesses], drafts)
        self._guess([one for one in draft_requests if one.guesses], drafts)
        return drafts

    def _cut(self, draft_request: DraftRequest) -> None:
        """Take off what is not the sequence's."""
        slot = draft_request.slot
        held, keep = self.states.tokens[slot], self.states.common(slot, draft_request.tokens)
        if keep < len(held):
            kept = self.backend.trim(slot, keep)
            del held[keep if kept else 0 :]

    def _catch_up(self, draft_requests: Sequence[DraftRequest], drafts: Drafts) -> None:
        found = [self._part(one, one.catch_up, sample=False) for one in draft_requests]
        parts = [part for part in found if part is not None]
        if parts:
            start_ns = self._clock_ns()
            self._compute(parts)
            drafts.caught_up = (sum(len(part.tokens) for part in parts), self._clock_ns() - start_ns)

    def _guess(self, draft_requests: Sequence[DraftRequest], drafts: Drafts) -> None:
        """Rounds until all have what was asked for; a guess that would end the text is the last one."""
        asked = {draft_request.slot: draft_request.guesses for draft_request in draft_requests}
        found = [self._part(one, len(one.tokens), sample=True) for one in draft_requests]
        parts = [part for part in found if part is not None]
        while parts:
            start_ns = self._clock_ns()
            sampled = self._compute(parts)
            drafts.rounds.append((sum(len(part.tokens) for part in parts), self._clock_ns() - start_ns))
            following: list[Part] = []
            for part in parts:
                slot, token = part.slot, sampled[part.slot][0]
                guesses = drafts.guesses.setdefault(slot, [])
                if token >= self._n_vocab:
                    continue
                guesses.append(token)
                if len(guesses) < asked[slot] and not self._is_end(token):
                    position = len(self.states.tokens[slot])
                    following.append(Part(slot, (token,), position, sample=True, prefill=False))
            parts = following

    def _part(self, draft_request: DraftRequest, most: int, *, sample: bool) -> Part | None:
        """The next tokens that the slot lacks; None where there is one that the draft model does not know."""
        at = len(self.states.tokens[draft_request.slot])
        tokens = draft_request.tokens[at : at + most]
        if not tokens or max(tokens) >= self._n_vocab:
            return None
        return Part(draft_request.slot, tokens, at, sample=sample, prefill=not sample)

    def _compute(self, parts: Sequence[Part]) -> dict[int, list[int]]:
        sampled = self.backend.compute(Batch(tuple(parts)))
        for part in parts:
            self.states.tokens[part.slot].extend(part.tokens)
        return sampled
