"""A `llama_batch`: which parts of a batch are computed together, and how they are written into it."""

from __future__ import annotations

from collections.abc import Sequence

import llama_cpp.llama_cpp as llama
import numpy as np

from gateway.engine.backend import Part


def groups(parts: Sequence[Part], kernel_min_rows: int) -> list[Sequence[Part]]:
    """The groups of parts to compute together, in this order: with a kernel for `kernel_min_rows` tokens and
    more (0: there is none), each part that is as large by itself, then all smaller prompts, then decodes.

    llama.cpp cuts a batch into pieces with as many tokens of each sequence: beside a decode, the first token
    of a prompt goes with it and what is left may be too small for the kernel. Together is not faster on a
    CPU.
    """
    if not kernel_min_rows:
        return [parts]
    prompts = [part for part in parts if part.prefill]
    large = [[part] for part in prompts if len(part.tokens) >= kernel_min_rows]
    small = [part for part in prompts if len(part.tokens) < kernel_min_rows]
    decodes = [part for part in parts if not part.prefill]
    return [group for group in (*large, small, decodes) if group]


class Columns:
    """Numpy views on the arrays of a `llama_batch`: filled by slices, not token by token."""

    def __init__(self, batch: llama.llama_batch, size: int) -> None:
        self.token = np.ctypeslib.as_array(batch.token, shape=(size,))
        self.position = np.ctypeslib.as_array(batch.pos, shape=(size,))
        self.logits = np.ctypeslib.as_array(batch.logits, shape=(size,))
        n_seq_id = np.ctypeslib.as_array(batch.n_seq_id, shape=(size,))
        n_seq_id[:] = 1
        self._sequence = batch.seq_id
        self._size = size

    def fill(self, parts: Sequence[Part]) -> list[tuple[Part, int]]:
        """Write the parts of a batch; returns those that want a sample, each with the position of its last
        token.
        """
        wanted: list[tuple[Part, int]] = []
        at = 0
        for part in parts:
            end = at + len(part.tokens)
            assert end <= self._size, "the scheduler planned more tokens than a batch holds"
            self.token[at:end] = part.tokens
            self.position[at:end] = np.arange(part.position, part.position + end - at)
            self.logits[at:end] = 0
            for index in range(at, end):
                self._sequence[index][0] = part.slot
            if part.sample:
                self.logits[end - 1 - part.drafted : end] = 1
                wanted.append((part, end - 1))
            at = end
        return wanted
