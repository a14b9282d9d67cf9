"""Where a prompt may be cut so that the cache never changes the answer (promise 5), to the last bit.

llama.cpp's flash attention on the CPU has two kernels: one for `kernel_min_rows` (64) query tokens or more in
a batch, one for fewer. Each gives a token the same numbers whatever stands beside it, but not the same as the
other one. So a token must be computed by the same kernel every time: sampled tokens and short stretches by
the small one, long messages by the large one. Measured: logits differ by up to 0.8 between the two, and by 0
within either (docs/decisions/cache.md).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from gateway.engine.cache.entry import KernelMask
from gateway.engine.cache.spans import MessageSpan

MIN_ROWS = 2
"""A last token alone would be computed by a third kernel, which divides a long KV among the threads."""


@dataclass(frozen=True, slots=True)
class Block:
    """Tokens `start` … `end`: an answer of the model, or everything between two answers' texts up to a
    message's end.
    """

    start: int
    end: int
    sampled: bool


class Blocks:
    """The blocks of one prompt; `kernel_min_rows` 0 means that the backend has one kernel only, and any cut
    is as good. With `open_answer` the last message goes on: what there is of it was sampled, as far as
    anybody knows.
    """

    def __init__(
        self,
        spans: Sequence[MessageSpan],
        size: int,
        kernel_min_rows: int,
        *,
        open_answer: bool = False,
    ) -> None:
        self._kernel_min_rows = kernel_min_rows
        self._prompt = _blocks(spans, size, open_answer=open_answer) if kernel_min_rows else []
        self._prompt_size = size
        self._set(self._prompt, size)

    def grow(self, size: int, batched_kernel_mask: KernelMask) -> None:
        """The prompt was answered up to here, and the answer is to go on from its own state, which the
        kernels `batched_kernel_mask` computed: that is what it is, so no other is wanted of it. Only the last
        token is left to compute, as it would have been without the interruption; what must be computed again
        of the answer is the small kernel's.
        """
        if self._kernel_min_rows and size > self._prompt_size:
            self._set([*self._prompt, Block(self._prompt_size, size, sampled=True)], size)
            self._wanted[: len(batched_kernel_mask)] = batched_kernel_mask

    def round_hit(self, matched: int, batched_kernel_mask: KernelMask) -> int:
        """The most of `matched` tokens that may be taken from the cache, which were computed by the kernels
        `batched_kernel_mask`.

        A long message leaves enough for its kernel, and what another kernel computed is computed again where
        that is little: at most `kernel_min_rows` tokens. (More of it comes from prompts that had to share
        their steps with others.)
        """
        if not self._kernel_min_rows:
            return matched
        least = MIN_ROWS if self._size == self._prompt_size else 1
        matched = min(matched, self._size - least, len(batched_kernel_mask))
        differing = np.flatnonzero(batched_kernel_mask[:matched] != self._wanted[:matched])
        if len(differing) and matched - int(differing[0]) < self._kernel_min_rows:
            matched = int(differing[0])
        block = self._at(matched)
        if block is None or matched == block.start or not self._large(block):
            return max(0, matched)
        if block.end - matched >= self._kernel_min_rows:
            return matched
        return max(block.start, block.end - self._kernel_min_rows)

    def is_large(self, tokens: int) -> bool:
        """Whether this many tokens in one step are computed by the large kernel."""
        return 0 < self._kernel_min_rows <= tokens

    def chunk(self, position: int, most: int) -> int:
        """How many tokens to compute next, of at most `most`, or more where the rest would be too small for
        its kernel: the first chunks take half as many rows more, since they cost least. With a budget that is
        too small for the kernel, the budget wins.
        """
        block = self._at(position)
        if block is None:
            return most
        if not self._large(block):
            return self._small_run(position, most)
        left = block.end - position
        if left <= most or most < self._kernel_min_rows:
            return min(left, most)
        steps = min(-(-left // most), left // self._kernel_min_rows)
        over = left - steps * most
        if over <= 0:
            return -(-left // steps)
        return most + (over if steps == 1 else min(over, self._kernel_min_rows // 2))

    def _set(self, blocks: list[Block], size: int) -> None:
        self._blocks, self._size = blocks, size
        self._ends = [block.end for block in blocks]
        self._wanted: KernelMask = np.zeros(size, dtype=np.bool_)
        for block in blocks:
            self._wanted[block.start : block.end] = self._large(block)

    def _at(self, position: int) -> Block | None:
        index = bisect_right(self._ends, position)
        block = self._blocks[index] if index < len(self._blocks) else None
        return block if block is not None and block.start <= position else None

    def _large(self, block: Block) -> bool:
        return not block.sampled and block.end - block.start >= self._kernel_min_rows

    def _small_run(self, position: int, most: int) -> int:
        """Neighbouring small blocks share a chunk, as long as it stays small."""
        limit = position + min(most, self._kernel_min_rows - 1)
        end = position
        for block in islice(self._blocks, bisect_right(self._ends, position), None):
            if self._large(block) or end >= limit:
                break
            end = min(block.end, limit)
        return end - position


def _blocks(spans: Sequence[MessageSpan], size: int, *, open_answer: bool) -> list[Block]:
    """The blocks of a prompt of `size` tokens, without a gap."""
    answers = {span.content for span in spans if span.role == "assistant"}
    blocks: list[Block] = []
    for end, sampled in _ends(spans, size, open_answer=open_answer):
        start = blocks[-1].end if blocks else 0
        if end <= start:
            continue
        leads_to_answer = not sampled and end in answers
        if leads_to_answer and blocks and not blocks[-1].sampled:
            # it belongs to the message before it: both were one prompt's end when the answer was sampled
            blocks[-1] = Block(blocks[-1].start, end, sampled=False)
        else:
            blocks.append(Block(start, end, sampled))
    return blocks


def _ends(spans: Sequence[MessageSpan], size: int, *, open_answer: bool) -> Iterator[tuple[int, bool]]:
    """Where each block ends, in order, and whether a model sampled it; some are empty."""
    for span in spans[:-1]:
        is_answer = span.role == "assistant"
        if is_answer:
            yield span.content, False
        yield span.end, is_answer
    goes_on = open_answer and bool(spans) and spans[-1].role == "assistant"
    if goes_on:
        yield spans[-1].content, False
    yield size, goes_on
