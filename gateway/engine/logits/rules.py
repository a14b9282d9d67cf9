"""The rules of one answer as tokens, applied to the logits of a step before anything is sampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gateway.engine.logits.logprobs import Logits
from gateway.sampling import NEVER

Ids = npt.NDArray[np.int64]


def ids_of(tokens: Sequence[int]) -> Ids:
    """Tokens as an index of logits."""
    return np.array(tokens, dtype=np.int64)


NONE = ids_of(())


@dataclass(frozen=True, slots=True, kw_only=True)
class LogitRules:
    """Rules that were resolved for one vocabulary; every token in them is below its size.

    `allowed` are the only tokens that may be chosen (empty: all); to the logits of `biased` the numbers of
    `biases` are added. Before the answer has `min_tokens` tokens, those of `early` are forbidden. `banned`
    says, by the token that stands before the last one, which runs of tokens may not be completed.
    `fallback` is chosen where nothing else may be.
    """

    allowed: Ids = field(default_factory=lambda: NONE)
    biased: Ids = field(default_factory=lambda: NONE)
    biases: Logits = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    early: Ids = field(default_factory=lambda: NONE)
    min_tokens: int = 0
    banned: Mapping[int, Sequence[tuple[int, ...]]] = field(default_factory=dict)
    fallback: int = 0

    def apply(self, logits: Logits, answer: Sequence[int]) -> int | None:
        """Change the logits of the token that follows this answer; returns the token, where only one is
        left to be taken because no other may be.
        """
        if len(self.allowed):
            kept = logits[self.allowed]
            logits.fill(NEVER)
            logits[self.allowed] = kept
        if len(self.biased):
            logits[self.biased] += self.biases
        if len(answer) < self.min_tokens:
            logits[self.early] = NEVER
        for run in self.banned.get(answer[-1], ()) if answer else ():
            if tuple(answer[1 - len(run) :]) == run[:-1]:
                logits[run[-1]] = NEVER
        if len(self.allowed) and not np.isfinite(logits[self.allowed]).any():
            return self.fallback
        return None
