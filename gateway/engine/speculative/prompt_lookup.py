"""Speculative decoding by prompt lookup: what followed the last few tokens before may follow them again.

Source: prompt lookup decoding (Saxena, 2023). A draft is verified in the same step as the token before it, so
it changes speed only (but for kernels that differ: docs/speculative.md). Whether it pays is measured without
risk: while nothing is drafted, what would have been drafted is compared with what was sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.engine.schedule.pace import Pace
from telemetry.events import Scalar

SHORT, LONG = 3, 8
"""Tokens that must repeat before what followed them is proposed; after `LONG` ones it is far more certain."""

INDEXED_PER_STEP = 4096
"""Tokens of a prompt that are indexed in one step at most, which takes 3 ms; repetitions in the rest are seen
later.
"""

MAX_DRAFT = 16
WEIGHT = 0.15
"""Of one more token in the moving average of acceptance."""

MARGIN = 1.1
"""A draft must promise this many times what its verification costs."""


@dataclass(slots=True)
class Tally:
    """The account of drafting for one request: tokens proposed and accepted, and the time that it saved
    (estimated, ns).
    """

    drafted: int = 0
    accepted: int = 0
    saved_ns: float = 0.0


class Tallied(Protocol):
    """One source of drafts for a request."""

    tally: Tally


def attributes(lookup: Tallied | None, model: Tallied | None) -> dict[str, Scalar]:
    """The decode phase's attributes of speculative decoding: by both sources, and what of it the draft model
    did.

    `gain_ms` is estimated from what steps and drafted tokens cost on average; a draft model's own time is
    taken off.
    """
    tallies = [one.tally for one in (lookup, model) if one is not None]
    if not tallies:
        return {}
    both: dict[str, Scalar] = {
        "draft": sum(tally.drafted for tally in tallies),
        "accepted": sum(tally.accepted for tally in tallies),
        "gain_ms": round(sum(tally.saved_ns for tally in tallies) / 1e6, 3),
    }
    if model is None:
        return both
    return both | {"draft_model": model.tally.drafted, "draft_model_accepted": model.tally.accepted}


class PromptLookup:
    """One request's repetitions. `tokens` is its list of all tokens, which grows; the index follows it while
    the request decodes: it takes 300 bytes per token, which one that waits must not have.

    The source of a draft is where the last one was right, else what followed the last `LONG` tokens before,
    else the last `SHORT` ones.
    """

    def __init__(self, tokens: Sequence[int]) -> None:
        self.tally = Tally()
        self.acceptance = {False: 0.0, True: 0.0}
        """By whether the source is a sure one; nothing is drafted until repetition has been seen."""
        self._tokens = tokens
        self._follows: dict[int, dict[tuple[int, ...], int]] = {SHORT: {}, LONG: {}}
        self._indexed = 0
        self._source: int | None = None
        self._run = 0
        self._proposed: tuple[int, ...] = ()

    def propose(self, most: int, pace: Pace, decoding: int) -> tuple[int, ...]:
        """Tokens that may come next and are worth verifying now, beside `decoding` sequences; often none.

        As many as give most tokens per second: each is reached with the chance that all before it are right,
        and makes the step longer.
        """
        self._index(len(self._tokens))
        if self._source is None:
            self._find_source()
        self._proposed = ()
        if self._source is not None:
            self._proposed = tuple(self._tokens[self._source : self._source + MAX_DRAFT])
        worth = self._worth(pace, decoding)
        return self._proposed[: max(0, min(most, worth))]

    def learn(self, drafted: int, sampled: Sequence[int], pace: Pace) -> None:
        """Compare what was proposed with what was sampled; `drafted` tokens of it had been verified."""
        accepted = len(sampled) - 1
        if drafted:
            self.tally.drafted += drafted
            self.tally.accepted += accepted
            self.tally.saved_ns += accepted * pace.decode_step_ns - pace.draft_ns(drafted)
        for proposed, token in zip(self._proposed, sampled, strict=False):
            sure = self._sure
            self.acceptance[sure] += WEIGHT * ((proposed == token) - self.acceptance[sure])
            if proposed != token:
                self._source, self._run = None, 0
                return
            self._run += 1
            self._source = None if self._source is None else self._source + 1
        if len(sampled) > len(self._proposed):
            self._source, self._run = None, 0

    def rest(self) -> None:
        """The request does not decode for now; the index is made again when it does."""
        self._follows = {SHORT: {}, LONG: {}}
        self._indexed, self._source, self._run = 0, None, 0

    @property
    def _sure(self) -> bool:
        return self._run >= LONG

    def _find_source(self) -> None:
        """Find the source of drafts: what followed the last tokens before; a long match counts as so many
        right guesses.
        """
        for size in (LONG, SHORT):
            at = self._follows[size].get(tuple(self._tokens[-size:]))
            if at is not None:
                self._source, self._run = at, size if size == LONG else 0
                return

    def _worth(self, pace: Pace, decoding: int) -> int:
        acceptance = self.acceptance[self._sure]
        if not pace.decode_step_ns or not self._proposed:
            return 0
        best, worth = MARGIN * decoding / pace.decode_step_ns, 0
        expected = float(decoding)
        for drafted in range(1, len(self._proposed) + 1):
            expected += acceptance**drafted
            rate = expected / (pace.decode_step_ns + pace.draft_ns(drafted))
            if rate > best:
                best, worth = rate, drafted
        return worth

    def _index(self, size: int) -> None:
        """Note what follows every run of tokens but the last one, which nothing follows yet; of many tokens
        the first.
        """
        tokens, size = self._tokens, min(size, self._indexed + INDEXED_PER_STEP)
        for length, follows in self._follows.items():
            for end in range(max(self._indexed, length), size):
                follows[tuple(tokens[end - length : end])] = end
        self._indexed = max(self._indexed, size)
