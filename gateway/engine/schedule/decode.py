"""The parts of a batch that decode: the last token of each answer, those that its grammar forced behind it,
and guesses.
"""

from __future__ import annotations

from gateway.engine.backend import Part
from gateway.engine.schedule.pace import Pace
from gateway.engine.sequence.sequence import Sequence
from telemetry.drafts import DraftSource


class DecodePlanner:
    """Plans them. `n_ctx` is tokens per sequence; `max_batch` tokens per step."""

    def __init__(self, pace: Pace, *, n_ctx: int, max_batch: int) -> None:
        self._pace = pace
        self._n_ctx = n_ctx
        self._max_batch = max_batch

    def plan(self, decoding: list[Sequence]) -> list[Part]:
        """A part for each of the sequences, in their order."""
        return [self._part(sequence, len(decoding)) for sequence in decoding]

    def room(self, sequence: Sequence, decoding: int) -> int:
        """Guesses that a sequence has room for: below its limit, and in its part of a batch of so many."""
        progress = sequence.progress
        left = sequence.request.output_limit(self._n_ctx) - progress.completion_tokens
        return min(left - 1, self._max_batch // decoding - progress.remaining)

    def apply(self, sequence: Sequence, part: Part, sampled: list[int], sequences: int) -> None:
        """Take in that a part was computed in a batch of so many sequences."""
        sequence.progress.steps += 1
        sequence.progress.batch_sum += sequences
        if sequence.drafter is not None:
            drafted = part.drafted if part.source is DraftSource.LOOKUP else 0
            sequence.drafter.learn(drafted, sampled, self._pace)

    def _part(self, sequence: Sequence, decoding: int) -> Part:
        """The last token, and a few that may follow it where that pays."""
        assert sequence.slot is not None
        draft: tuple[int, ...] = ()
        if sequence.drafter is not None:
            draft = sequence.drafter.propose(self.room(sequence, decoding), self._pace, decoding)
        if draft and sequence.matcher is not None:
            draft = draft[: sequence.matcher.validate(draft)]
        progress = sequence.progress
        return Part(
            sequence.slot,
            (*progress.tokens[progress.n_computed :], *draft),
            progress.n_computed,
            sample=True,
            prefill=False,
            drafted=len(draft),
            source=DraftSource.LOOKUP if draft else None,
        )
