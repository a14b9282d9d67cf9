"""Speculative decoding by prompt lookup: what followed the last few tokens before may follow them again.

Source: prompt lookup decoding (Saxena, 2023). A draft is verified in the same step as the token before it, so it changes
speed only. Whether it pays is measured without risk: while nothing is drafted, what would have been drafted is compared
with what was sampled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.engine.pace import Pace

NGRAM = 3
"""Tokens that must repeat before what followed them is proposed."""

MAX_DRAFT = 16
WEIGHT = 0.15
"""Of one more token in the moving average of acceptance."""

MARGIN = 1.25
"""A draft must promise this many times what its verification costs."""

LONG_MATCH = 8
"""From this many repeated tokens on, what follows is far more certain: such drafts have an average of their own."""


@dataclass(slots=True)
class Tally:
    """What drafting did for one request: tokens proposed and accepted, and the time that it saved (estimated, ns)."""

    drafted: int = 0
    accepted: int = 0
    saved_ns: float = 0.0


class PromptLookup:
    """One request's n-grams. `tokens` is its list of all tokens, which grows; the index follows it."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self.tally = Tally()
        self.acceptance = {False: 0.0, True: 0.0}
        """By whether the match was long; nothing is drafted until repetition has been seen."""
        self._tokens = tokens
        self._follows: dict[tuple[int, ...], int] = {}
        self._indexed = NGRAM
        self._proposed: tuple[int, ...] = ()
        self._long = False
        self._index(len(tokens))

    def propose(self, most: int, pace: Pace, decoding: int) -> tuple[int, ...]:
        """Tokens that may come next and are worth verifying now, beside `decoding` sequences; often none.

        A drafted token pays as long as the chance that it is reached and right, per nanosecond that its verification
        takes, is above what the step gives without it.
        """
        self._index(len(self._tokens))
        at = self._follows.get(tuple(self._tokens[-NGRAM:]))
        self._proposed = () if at is None else tuple(self._tokens[at : at + MAX_DRAFT])
        self._long = at is not None and self._repeats(at)
        worth = self._worth(pace, decoding)
        return self._proposed[: max(0, min(most, worth))]

    def learn(self, drafted: int, sampled: Sequence[int], pace: Pace) -> None:
        """Compare what was proposed with what was sampled; `drafted` tokens of it had been verified."""
        accepted = len(sampled) - 1
        if drafted:
            self.tally.drafted += drafted
            self.tally.accepted += accepted
            self.tally.saved_ns += accepted * pace.decode_step_ns - drafted * pace.draft_cost_ns
        for proposed, token in zip(self._proposed, sampled, strict=False):
            self.acceptance[self._long] += WEIGHT * ((proposed == token) - self.acceptance[self._long])
            if proposed != token:
                break

    def _worth(self, pace: Pace, decoding: int) -> int:
        acceptance = self.acceptance[self._long]
        if not pace.decode_step_ns or not self._proposed:
            return 0
        threshold = MARGIN * pace.draft_cost_ns * decoding / pace.decode_step_ns
        if threshold >= acceptance:
            return 0
        return int(math.log(threshold) / math.log(min(acceptance, 0.98)))

    def _repeats(self, at: int) -> bool:
        """Whether the tokens before this place are the last ones, for longer than the n-gram."""
        tokens, size = self._tokens, len(self._tokens)
        return at >= LONG_MATCH and all(tokens[at - back] == tokens[size - back] for back in range(NGRAM + 1, LONG_MATCH + 1))

    def _index(self, size: int) -> None:
        """Note what follows every n-gram but the last one, which nothing follows yet."""
        tokens = self._tokens
        for end in range(self._indexed, size):
            self._follows[tuple(tokens[end - NGRAM : end])] = end
        self._indexed = max(self._indexed, size)
