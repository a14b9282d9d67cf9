"""The choice of drafts, their length and their sequences: what drafting costs, how often it is
right, what pays.

Pure: times are measured elsewhere. The expected length of a draft that is verified is that of Leviathan et
al., "Fast Inference from Transformers via Speculative Decoding" (2023): the k-th guess counts if all before
it were right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.engine.schedule.pace import FORGET, WEIGHT, Pace
from gateway.engine.speculative.prompt_lookup import MARGIN, Tally

FIRST_RATE = 0.9
"""That a guess is right, before any was verified: more than most pairs of models reach, since hope is soon
corrected and doubt is not.
"""

FIRST_TESTS = 8
"""Verified guesses that the first rate counts as."""

MAX_TESTS = 64
"""An engine's average follows its last guesses, about this many."""

RATE_WEIGHT = 0.1
"""Of one more verified guess in a request's average."""


@dataclass(slots=True)
class DraftCosts:
    """The time of a draft model's work (ns): a round, each of its rows, and a token that it only catches up
    with.

    The first figures are measured at load; while nothing is drafted, later ones drift back to them.
    """

    round_ns: float
    row_ns: float
    token_ns: float
    _first: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        self._first = (self.round_ns, self.row_ns)

    def of_round(self, rows: int) -> float:
        """One round, in which each of so many sequences gets a guess."""
        return self.round_ns + rows * self.row_ns

    def learn_round(self, duration_ns: int, rows: int) -> None:
        """Take in one measured round; what was not expected is shared between its two parts."""
        wrong_ns = WEIGHT * (duration_ns - self.of_round(rows))
        self.round_ns = max(0.0, self.round_ns + wrong_ns / 2)
        self.row_ns = max(1.0, self.row_ns + wrong_ns / 2 / rows)

    def learn_catching_up(self, duration_ns: int, tokens: int) -> None:
        """Take in one measured chunk."""
        self.token_ns += WEIGHT * (max(1.0, duration_ns / tokens) - self.token_ns)

    def forget(self) -> None:
        """A step without drafting: a bad experience may have been another program's doing."""
        self.round_ns += FORGET * (self._first[0] - self.round_ns)
        self.row_ns += FORGET * (self._first[1] - self.row_ns)


class AcceptanceRate:
    """The rate at which a guess is right that follows right ones, over all requests: where each new one
    begins.
    """

    def __init__(self) -> None:
        self.rate = FIRST_RATE
        self._tests = FIRST_TESTS

    def learn(self, *, right: bool) -> None:
        """Take in one verified guess."""
        self._tests = min(MAX_TESTS, self._tests + 1)
        self.rate += (right - self.rate) / self._tests


@dataclass(slots=True)
class RequestDrafts:
    """A draft model's account of one request: its rate of right guesses, tests of it that were in vain, and
    the tally.
    """

    rate: float
    failed_probes: int = 0
    tally: Tally = field(default_factory=Tally)

    def learn(self, drafted: int, accepted: int, engine: AcceptanceRate) -> None:
        """So many guesses were verified: those behind the first wrong one say nothing."""
        self.tally.drafted += drafted
        self.tally.accepted += accepted
        for index in range(min(drafted, accepted + 1)):
            right = index < accepted
            self.rate += RATE_WEIGHT * (right - self.rate)
            engine.learn(right=right)


@dataclass(frozen=True, slots=True)
class DraftChoice:
    """Guess `length` tokens for each of the `sequences` that are right most often. `gained` is how many
    tokens more a step is expected to give, `step_ns` what it takes and `saved_ns` what it saves.
    """

    length: int = 0
    sequences: int = 0
    gained: float = 0.0
    step_ns: float = 0.0
    saved_ns: float = 0.0


NO_DRAFT = DraftChoice()


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """The step that drafts are for: sequences that decode, tokens that are verified anyway, and the longest
    draft.
    """

    decoding: int
    verified: int
    max_length: int


@dataclass(frozen=True, slots=True)
class DraftCandidate:
    """A sequence: the rate at which guesses for it are right, and the tokens before the last that the draft
    model lacks.
    """

    right: float
    missing_tokens: int = 0


def choose(
    candidates: Sequence[DraftCandidate],
    step: PlannedStep,
    pace: Pace,
    costs: DraftCosts,
) -> DraftChoice:
    """The draft that gives most tokens per second, if it beats none by `MARGIN` and fits into
    `pace.max_stall_ns`.

    `candidates` begin with the best. All drafts have one length, since llama.cpp computes sequences of a
    batch together as far as they are equally long.
    """
    if not pace.decode_step_ns:
        return NO_DRAFT
    plain_ns = pace.decode_step_ns + (pace.draft_ns(step.verified) if step.verified else 0.0)
    best, choice = MARGIN * step.decoding / plain_ns, NO_DRAFT
    powers, sums = [candidate.right for candidate in candidates], [0.0] * len(candidates)
    for length in range(1, step.max_length + 1):
        tokens, missing_tokens = float(step.decoding), 0
        for index, candidate in enumerate(candidates):
            sums[index] += powers[index]
            powers[index] *= candidate.right
            tokens += sums[index]
            missing_tokens += candidate.missing_tokens
            verified = step.verified + length * (index + 1)
            verifying_ns = pace.decode_step_ns + pace.draft_ns(verified)
            drafting_ns = length * costs.of_round(index + 1)
            cost_ns = verifying_ns + drafting_ns + missing_tokens * costs.row_ns
            if tokens / cost_ns > best and cost_ns <= pace.max_stall_ns:
                best = tokens / cost_ns
                saved_ns = tokens * plain_ns / step.decoding - cost_ns
                choice = DraftChoice(length, index + 1, tokens - step.decoding, cost_ns, saved_ns)
    return choice
