"""The shares of prompts in a step's budget of tokens: in pieces that the faster kernel computes, and so that
nothing starves.
"""

from __future__ import annotations

from gateway.engine.sequence.sequence import Sequence

OLDEST_SHARE = 0.5
"""Of all tokens that are computed while the oldest prompt waits, those that it is owed."""


class PromptShare:
    """Short prompts go first, but every other token belongs to the oldest.

    That share is given in turns, not within each step: half of a small budget would be too few tokens for the
    faster kernel, and both halves would take nearly twice as long (`gateway.engine.cache.blocks`).
    """

    def __init__(self) -> None:
        self._oldest: Sequence | None = None
        self._owed = 0.0

    def divide(
        self,
        prompts: list[Sequence],
        budget: int,
        kernel_min_rows: int,
    ) -> list[tuple[Sequence, int]]:
        """Tokens for each of the prompts that get any, at most `budget` together; `kernel_min_rows` is the
        faster kernel's least (0: any).

        The first always gets something. A later one gets less than `kernel_min_rows` only if that is all it
        needs.
        """
        if not prompts or budget <= 0:
            return []
        given: list[tuple[Sequence, int]] = []
        left = budget
        for sequence in self._in_order(prompts, budget):
            remaining = sequence.progress.remaining
            tokens = min(remaining, left)
            if tokens and (not given or tokens == remaining or tokens >= kernel_min_rows):
                given.append((sequence, tokens))
                left -= tokens
        self._settle(given, budget)
        return given

    def _in_order(self, prompts: list[Sequence], budget: int) -> list[Sequence]:
        oldest = min(prompts, key=lambda sequence: sequence.stamps.queued_ns)
        if oldest is not self._oldest:
            self._oldest, self._owed = oldest, 0.0
        shortest = sorted(prompts, key=lambda one: (one.progress.remaining, one.stamps.queued_ns))
        if self._owed < min(budget, oldest.progress.remaining):
            return shortest
        return [oldest, *(sequence for sequence in shortest if sequence is not oldest)]

    def _settle(self, given: list[tuple[Sequence, int]], budget: int) -> None:
        """Settle up: what the oldest did not get of its share it gets later; what it got beyond that is not
        held against it.
        """
        total = sum(tokens for _, tokens in given)
        own = sum(tokens for sequence, tokens in given if sequence is self._oldest)
        self._owed = min(max(0.0, self._owed + OLDEST_SHARE * total - own), 2.0 * budget)
