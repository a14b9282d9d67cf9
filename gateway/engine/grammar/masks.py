"""Filling masks, several at once where there are several, and putting them into logits."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from llguidance import LLExecutor

from gateway.engine.grammar.matcher import Bits, Logits, Matcher

WORD_BITS = 32

_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
HIGHEST = np.where(_BITS == 1, np.float32(np.inf), np.float32(-np.inf))
"""For each byte of a mask, what the logits of its eight tokens may be at most: shape (256, 8)."""


class Masks:
    """Room for the masks of `rows` sequences at once, filled by `threads` threads of the library's own where
    that is more than one. To be used by one thread.
    """

    def __init__(self, n_vocab: int, *, rows: int, threads: int = 1) -> None:
        self._bits = np.zeros((rows, -(-n_vocab // WORD_BITS)), dtype=np.int32)
        self._executor = LLExecutor(threads) if threads > 1 else None

    def refuse(self, matchers: Sequence[Matcher], logits: Sequence[Logits]) -> None:
        """Set what each grammar refuses to -inf in its logits, in place: of one that has failed, all but
        end tokens.
        """
        begun_ns = time.monotonic_ns()
        self._fill(matchers)
        for bits, row in zip(self._bits, logits, strict=False):
            refuse(row, bits)
        each_ns = (time.monotonic_ns() - begun_ns) // len(matchers)
        for matcher in matchers:
            matcher.counts.masks += 1
            matcher.counts.mask_ns += each_ns

    def _fill(self, matchers: Sequence[Matcher]) -> None:
        if self._executor is None or len(matchers) == 1:
            for matcher, bits in zip(matchers, self._bits, strict=False):
                matcher.fill(bits)
            return
        numbered = [(matcher.inner, number) for number, matcher in enumerate(matchers)]
        words = self._bits.shape[1]
        self._executor.unsafe_compute_mask_ptr(numbered, self._bits.ctypes.data, words * 4, len(self._bits))


def refuse(logits: Logits, bits: Bits) -> None:
    """Set the logits of tokens whose bit is 0 to -inf, in place.

    The minimum with a table's rows takes the same time however many tokens are allowed; a condition per token
    takes up to ten times as long.
    """
    highest = HIGHEST.take(bits.view(np.uint8), axis=0).reshape(-1)
    np.minimum(logits, highest[: len(logits)], out=logits)
