"""The next token of sequences with and without grammars, in llama.cpp's order: sample first, ask the grammar,
and only where it refuses fill its mask and sample again (`common_sampler_sample`).

Most tokens of a model that writes what it was asked for are allowed, so most need no mask. What the sampler
remembers (penalties) is told once, with the token that is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.engine.grammar.errors import MatcherError
from gateway.engine.grammar.masks import Masks
from gateway.engine.grammar.matcher import Logits, Matcher


class TokenSampler(Protocol):
    """A sampler of one sequence that can be asked twice for the same position."""

    def draw(self, logits: Logits) -> int:
        """A token by these logits; only random numbers are used up."""

    def accept(self, token: int) -> None:
        """Remember the token that was taken, for penalties."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sequence whose next token is wanted: its logits, which may be written to, and its grammar if it
    has one.
    """

    sampler: TokenSampler
    logits: Logits
    matcher: Matcher | None = None


def choose(candidates: Sequence[Candidate], masks: Masks) -> list[int | None]:
    """The next token of each candidate, which its sampler has accepted and its matcher consumed; None where a
    grammar cannot go on: its matcher's `failure` says why, and the others are not touched by it.
    """
    tokens = [candidate.sampler.draw(candidate.logits) for candidate in candidates]
    refused = [
        (number, candidate, candidate.matcher)
        for number, candidate in enumerate(candidates)
        if candidate.matcher is not None and not candidate.matcher.validate([tokens[number]])
    ]
    if refused:
        matchers = [matcher for _, _, matcher in refused]
        masks.refuse(matchers, [candidate.logits for _, candidate, _ in refused])
    for number, candidate, matcher in refused:
        matcher.counts.resamples += 1
        tokens[number] = candidate.sampler.draw(candidate.logits)
    return [token if _take(one, token) else None for one, token in zip(candidates, tokens, strict=True)]


def _take(candidate: Candidate, token: int) -> bool:
    """Tell grammar and sampler of the token; False where the grammar cannot take it."""
    if candidate.matcher is not None:
        try:
            candidate.matcher.consume(token)
        except MatcherError:
            return False
    candidate.sampler.accept(token)
    return True
