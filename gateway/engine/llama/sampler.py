"""Choosing the next token of one sequence: its rules on the logits, then llama.cpp's sampler chain, and the
grammar where there is one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache

import llama_cpp.llama_cpp as llama
import numpy as np

from gateway.engine.grammar.choose import Candidate, choose
from gateway.engine.grammar.masks import Masks
from gateway.engine.grammar.matcher import Matcher
from gateway.engine.llama.sampler_chain import Vocabulary, chain_of
from gateway.engine.logits.logprobs import Logits, Scored, place_of
from gateway.engine.logits.rules import LogitRules
from gateway.sampling import Sampling

Choose = Callable[[object, int], int | None]
"""Chooses the token after a position of a context's batch."""


class Sampler:
    """The sampler of one sequence. Greedy without penalties needs no chain: an argmax is the same, and
    faster.

    `logprobs`: so many of the likeliest tokens are scored beside each that is sampled (None: nothing is).
    """

    def __init__(
        self,
        sampling: Sampling,
        vocabulary: Vocabulary,
        *,
        prompt: Sequence[int] = (),
        rules: LogitRules | None = None,
        logprobs: int | None = None,
    ) -> None:
        self._n_vocab = vocabulary.n_vocab
        self._rules = rules
        self._logprobs = logprobs
        self._scored: list[Scored] = []
        self._answer: list[int] = []
        self._chain: llama.llama_sampler_p | None = None
        self._chain = chain_of(sampling, vocabulary, prompt)

    def sample(self, context: object, index: int) -> int | None:
        """The next token after batch position `index`; penalties and rules remember it."""
        return self.sample_by(self._choose, context, index)

    def sample_by(self, choose_token: Choose, context: object, index: int) -> int | None:
        """The same, chosen in another way from the logits that the rules leave; None where it finds none."""
        if self._rules is None and self._logprobs is None:
            return choose_token(context, index)
        logits = self.logits(context, index)
        place = None if self._logprobs is None else place_of(logits, self._logprobs)
        raw = logits if place is None or self._rules is None else logits.copy()
        forced = None if self._rules is None else self._rules.apply(logits, self._answer)
        token = choose_token(context, index) if forced is None else forced
        if token is not None:
            self._answer.append(token)
            if place is not None:  # a grammar's mask leaves the logit of what is chosen as it is
                self._scored.append(place.scored(token, float(raw[token])))
        return token

    def take_scored(self) -> list[Scored]:
        """The scores of tokens that were sampled since this was last asked."""
        scored, self._scored = self._scored, []
        return scored

    def logits(self, context: object, index: int) -> Logits:
        """The context's own logits after batch position `index`, of shape (n_vocab,): what is written to
        them, samplers see.
        """
        return np.ctypeslib.as_array(llama.llama_get_logits_ith(context, index), shape=(self._n_vocab,))

    def draw(self, logits: Logits) -> int:
        """A token by these logits, of shape (n_vocab,), which nothing remembers until it is accepted: only
        random numbers are used up. As `sample` draws by the same logits.
        """
        if self._chain is None:
            return int(np.argmax(logits))
        return _token_data(self._n_vocab).draw(self._chain, logits)

    def accept(self, token: int) -> None:
        """Remember a token that was drawn and taken, for penalties."""
        if self._chain is not None:
            llama.llama_sampler_accept(self._chain, token)

    def _choose(self, context: object, index: int) -> int:
        if self._chain is None:
            return int(np.argmax(self.logits(context, index)))
        return int(llama.llama_sampler_sample(self._chain, context, index))

    def __del__(self) -> None:
        """Free the native chain with the last reference: a sequence that was suspended may end without its
        slot.
        """
        if self._chain is not None:
            llama.llama_sampler_free(self._chain)
            self._chain = None


class ConstrainedSampler:
    """The sampler of a sequence with a grammar. `masks` has room for one sequence."""

    def __init__(self, sampler: Sampler, matcher: Matcher, masks: Masks) -> None:
        self._sampler = sampler
        self._matcher = matcher
        self._masks = masks

    def sample(self, context: object, index: int) -> int | None:
        """The next token after batch position `index`, consumed by the grammar; None where it cannot go on.
        What the grammar refuses is taken out of the context's logits of this position.
        """
        return self._sampler.sample_by(self._choose, context, index)

    def take_scored(self) -> list[Scored]:
        """As the sampler's own."""
        return self._sampler.take_scored()

    def _choose(self, context: object, index: int) -> int | None:
        candidate = Candidate(self._sampler, self._sampler.logits(context, index), self._matcher)
        (token,) = choose([candidate], self._masks)
        return token


class TokenData:
    """Room for what a chain works on, a `llama_token_data_array`: samplers reorder it, so it is filled anew
    each time.
    """

    def __init__(self, n_vocab: int) -> None:
        self._ids = np.arange(n_vocab, dtype=np.int32)
        self._data = np.zeros(n_vocab, dtype=[("id", np.int32), ("logit", np.float32), ("p", np.float32)])
        self._pointer = self._data.ctypes.data_as(ctypes.POINTER(llama.llama_token_data))

    def draw(self, chain: llama.llama_sampler_p, logits: Logits) -> int:
        """What the chain selects."""
        self._data["id"], self._data["logit"] = self._ids, logits
        array = llama.llama_token_data_array(data=self._pointer, size=len(logits), selected=-1, sorted=False)
        llama.llama_sampler_apply(chain, ctypes.byref(array))
        return int(array.data[array.selected].id)


@cache
def _token_data(n_vocab: int) -> TokenData:
    """One for all sequences, 12 bytes per token of the vocabulary: only one thread samples."""
    return TokenData(n_vocab)
