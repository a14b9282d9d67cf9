"""The parts of a batch that compute prompts."""

from __future__ import annotations

from gateway.engine.backend import Part, StepResult
from gateway.engine.protocol import Chunk
from gateway.engine.schedule.pace import Pace
from gateway.engine.schedule.prompt_share import PromptShare
from gateway.engine.sequence.sequence import Sequence


class PrefillPlanner:
    """Plans them."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._prompt_share = PromptShare()

    def plan(self, prompts: list[Sequence], budget: int) -> list[Part]:
        """Chunks of the prompts that get any of a budget of tokens, each as long as its kernel wants it."""
        shares = self._prompt_share.divide(prompts, budget, self._pace.kernel_min_rows)
        return [self._part(sequence, tokens) for sequence, tokens in shares]

    @staticmethod
    def apply(sequence: Sequence, part: Part, result: StepResult, sequences: int) -> None:
        """Take in that a part was computed in a batch of so many sequences."""
        assert sequence.entry is not None
        sequence.entry.batched_kernel_mask = sequence.progress.kernels()
        sequence.stamps.add_chunk(Chunk(result.start_ns, result.end_ns, len(part.tokens), sequences))

    @staticmethod
    def _part(sequence: Sequence, share: int) -> Part:
        assert sequence.slot is not None
        progress = sequence.progress
        begin = progress.n_computed
        chunk = progress.tokens[begin : begin + progress.blocks.chunk(begin, share)]
        return Part(sequence.slot, chunk, begin, sample=len(chunk) == progress.remaining, prefill=True)
