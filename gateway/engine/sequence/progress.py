"""The progress of a sequence: its tokens, what of them is computed, and the text so far."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gateway.engine.cache.blocks import Blocks
from gateway.engine.cache.entry import KernelMask, Tokens
from gateway.engine.logits.trail import LogprobTrail
from gateway.engine.text import TextAssembler
from gateway.sampling import ChosenLogprob

NO_BLOCKS = Blocks((), 0, 0)


@dataclass(slots=True, kw_only=True)
class Progress:
    """The tokens of the prompt (`prompt_tokens` of them) and those that were sampled.

    The state of the first `n_computed` tokens is in the slot; `batched_kernel_mask` has a byte for each,
    whether the kernel for many rows computed it, and `blocks` say where the prompt may be cut. The last
    `forced` tokens were not sampled, and are computed together with the one before them. `text` makes text of
    what is sampled, and `answer` are its pieces; `logprobs` are those of tokens whose text is not told yet.
    `steps` counts steps that decoded, and `batch_sum` the sequences in them.
    """

    tokens: list[int]
    prompt_tokens: int
    text: TextAssembler
    n_computed: int = 0
    forced: int = 0
    batched_kernel_mask: bytearray = field(default_factory=bytearray)
    blocks: Blocks = NO_BLOCKS
    answer: list[str] = field(default_factory=list)
    logprobs: LogprobTrail = field(default_factory=LogprobTrail)
    steps: int = 0
    batch_sum: int = 0

    @property
    def completion_tokens(self) -> int:
        """Tokens of the answer so far."""
        return len(self.tokens) - self.prompt_tokens

    @property
    def prefilling(self) -> bool:
        """True while tokens are still to be computed before the next one can be sampled from the last of
        them, but for those that a grammar forced just now.
        """
        return self.n_computed < self.prompt_tokens or self.remaining > 1 + self.forced

    @property
    def remaining(self) -> int:
        """Tokens still to be computed before the next one can be sampled."""
        return len(self.tokens) - self.n_computed

    @property
    def prefilled(self) -> int:
        """Prompt tokens in the state, cached ones included."""
        return min(self.n_computed, self.prompt_tokens)

    @property
    def mean_batch(self) -> float:
        """Sequences in a step that decoded, on average; 1 where there was none."""
        return self.batch_sum / self.steps if self.steps else 1.0

    def array(self) -> Tokens:
        """All tokens so far, as the cache wants them."""
        return np.array(self.tokens, dtype=np.int32)

    def kernels(self) -> KernelMask:
        """The computed tokens that the kernel for many rows computed."""
        return np.frombuffer(bytes(self.batched_kernel_mask), dtype=np.bool_)

    def told_logprobs(self) -> list[ChosenLogprob]:
        """The log-probabilities that go with the text so far and were not told before."""
        return self.logprobs.told(self.text.shown)

    def last_logprobs(self) -> list[ChosenLogprob]:
        """The log-probabilities that are left when all of the text is told."""
        return self.told_logprobs() + ([] if self.text.stopped else self.logprobs.rest())

    def advance(self, tokens: int) -> None:
        """The next tokens are in the state now, computed in one step."""
        self.n_computed += tokens
        self.batched_kernel_mask += bytes([self.blocks.is_large(tokens)]) * tokens

    def place(self, tokens: int, mask: KernelMask) -> None:
        """The state of the first tokens is in a slot now, and these kernels computed it."""
        self.n_computed = tokens
        self.batched_kernel_mask[:] = bytes(mask[:tokens])

    def cut(self, tokens: int) -> None:
        """Only the first tokens are in the state."""
        self.n_computed = tokens
        del self.batched_kernel_mask[tokens:]
