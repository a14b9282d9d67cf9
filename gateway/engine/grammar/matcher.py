"""Where one sequence is in its grammar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from llguidance import LLMatcher

from gateway.engine.grammar.counts import GrammarCounts
from gateway.engine.grammar.errors import MatcherError

Bits = npt.NDArray[np.int32]
"""A mask: shape (words,), one bit per token of the vocabulary, the lowest bit of each word first; 1:
allowed.
"""

Logits = npt.NDArray[np.float32]
"""Of one position: shape (n_vocab,)."""

DETAILS = "\n<non-verbose/>"
"""What follows in the library's errors is about its inside."""


class Matcher:
    """One sequence's place in its grammar. To be used by one thread at a time; raises MatcherError where it
    cannot go on.

    A sequence is over once the matcher is `stopped`: nothing may follow but an end token, which need not be
    sampled. `consumed` tokens were told to it and not taken back, forced ones included.
    """

    def __init__(self, inner: LLMatcher, counts: GrammarCounts | None = None, consumed: int = 0) -> None:
        self.inner = inner
        self.counts = counts or GrammarCounts()
        self.consumed = consumed

    @property
    def accepting(self) -> bool:
        """Whether what was said so far is a whole text of the grammar, though more may follow."""
        return bool(self.inner.is_accepting())

    @property
    def stopped(self) -> bool:
        """Whether what was said is a whole text and nothing can follow."""
        return bool(self.inner.is_stopped())

    @property
    def failure(self) -> str:
        """Why it cannot go on, in the library's words; "" while it can."""
        return str(self.inner.get_error()).partition(DETAILS)[0].strip() if self.inner.is_error() else ""

    def validate(self, tokens: Sequence[int]) -> int:
        """How many of these tokens, from the first on, may follow; nothing is consumed. For cutting
        drafts.
        """
        return int(self.inner.validate_tokens(list(tokens)))

    def fill(self, bits: Bits) -> None:
        """Write the mask of the next token; of one that has failed, end tokens only."""
        self.inner.unsafe_compute_mask_ptr(bits.ctypes.data, bits.nbytes)

    def consume(self, token: int) -> None:
        """Go on by a token, which must be allowed; an end token changes nothing once it is stopped."""
        self.inner.consume_token(token)
        self._check()
        self.consumed += 1

    def forced_tokens(self, most: int | None = None) -> list[int]:
        """Consume the tokens that must come next, at most so many, and return them: they need no sampling.

        They are the model's own way to write the text that is forced: one at its end that could be written
        otherwise together with what follows is left to the model.
        """
        tokens = [] if self.stopped else list(self.inner.compute_ff_tokens()[:most])
        if tokens:
            self.inner.try_consume_tokens(tokens)
        self._check()
        self.counts.forced_tokens += len(tokens)
        self.consumed += len(tokens)
        return tokens

    def rollback(self, tokens: int) -> None:
        """Take back the last tokens that were consumed."""
        if tokens:
            self.inner.rollback(tokens)
        self._check()
        self.consumed -= tokens

    def rewind(self, consumed: int) -> None:
        """Take back all but the first so many tokens; one that has failed is as it was."""
        if not self.failure and self.consumed > consumed:
            self.inner.rollback(self.consumed - consumed)
            self.consumed = consumed

    def deep_copy(self) -> Matcher:
        """Another one at the same place, which counts for itself: for another answer to the same prompt."""
        counts = replace(self.counts, resamples=0, masks=0, mask_ns=0, forced_tokens=0)
        return Matcher(self.inner.deep_copy(), counts, self.consumed)

    def _check(self) -> None:
        if self.inner.is_error():
            raise MatcherError(self.failure)
