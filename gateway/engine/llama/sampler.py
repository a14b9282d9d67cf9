"""Choosing the next token of one sequence, by llama.cpp's sampler chain in its own order of steps."""

from __future__ import annotations

import ctypes
import hashlib
import secrets
from functools import cache

import llama_cpp.llama_cpp as llama
import numpy as np
import numpy.typing as npt

from gateway.engine.grammar.choose import Candidate, choose
from gateway.engine.grammar.masks import Masks
from gateway.engine.grammar.matcher import Matcher
from gateway.engine.protocol import Sampling

MIN_KEEP = 1

RANDOM = 0xFFFFFFFF
"""LLAMA_DEFAULT_SEED: llama.cpp takes it for "draw one"."""


class Sampler:
    """The sampler of one sequence. Greedy without penalties needs no chain: an argmax is the same, and
    faster.
    """

    def __init__(self, sampling: Sampling, n_vocab: int) -> None:
        self._n_vocab = n_vocab
        self._chain: llama.llama_sampler_p | None = None
        penalised = (sampling.frequency_penalty, sampling.presence_penalty, sampling.repeat_penalty) != (
            0.0,
            0.0,
            1.0,
        )
        if sampling.temperature > 0 or penalised:
            self._chain = _chain(sampling, n_vocab, penalised)

    def sample(self, context: object, index: int) -> int:
        """The next token after batch position `index`; penalties remember it."""
        if self._chain is None:
            return int(np.argmax(self.logits(context, index)))
        return int(llama.llama_sampler_sample(self._chain, context, index))

    def logits(self, context: object, index: int) -> npt.NDArray[np.float32]:
        """The context's own logits after batch position `index`, of shape (n_vocab,)."""
        return np.ctypeslib.as_array(llama.llama_get_logits_ith(context, index), shape=(self._n_vocab,))

    def draw(self, logits: npt.NDArray[np.float32]) -> int:
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
        candidate = Candidate(self._sampler, self._sampler.logits(context, index), self._matcher)
        (token,) = choose([candidate], self._masks)
        return token


class TokenData:
    """Room for what a chain works on, a `llama_token_data_array`: samplers reorder it, so it is filled
    anew each time.
    """

    def __init__(self, n_vocab: int) -> None:
        self._ids = np.arange(n_vocab, dtype=np.int32)
        self._data = np.zeros(n_vocab, dtype=[("id", np.int32), ("logit", np.float32), ("p", np.float32)])
        self._pointer = self._data.ctypes.data_as(ctypes.POINTER(llama.llama_token_data))

    def draw(self, chain: llama.llama_sampler_p, logits: npt.NDArray[np.float32]) -> int:
        """What the chain selects."""
        self._data["id"], self._data["logit"] = self._ids, logits
        array = llama.llama_token_data_array(data=self._pointer, size=len(logits), selected=-1, sorted=False)
        llama.llama_sampler_apply(chain, ctypes.byref(array))
        return int(array.data[array.selected].id)


@cache
def _token_data(n_vocab: int) -> TokenData:
    """One for all sequences, 12 bytes per token of the vocabulary: only one thread samples."""
    return TokenData(n_vocab)


def seed_of(seed: int | None) -> int:
    """The 32 bits that llama.cpp wants: of each integer always the same ones, and never those that mean a
    random seed.

    Small ones are what they are, as in other servers; what is negative or longer is hashed.
    """
    if seed is None:
        return secrets.randbelow(RANDOM)
    if 0 <= seed < RANDOM:
        return seed
    return int.from_bytes(hashlib.blake2b(str(seed).encode(), digest_size=8).digest()) % RANDOM


def _chain(sampling: Sampling, n_vocab: int, penalised: bool) -> llama.llama_sampler_p:
    chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
    steps = []
    if penalised:
        window, repeat = sampling.repeat_last_n, sampling.repeat_penalty
        frequency, presence = sampling.frequency_penalty, sampling.presence_penalty
        steps.append(llama.llama_sampler_init_penalties(n_vocab, window, repeat, frequency, presence))
    if sampling.temperature <= 0:
        steps.append(llama.llama_sampler_init_greedy())
    else:
        if sampling.top_k > 0:
            steps.append(llama.llama_sampler_init_top_k(sampling.top_k))
        if sampling.top_p < 1:
            steps.append(llama.llama_sampler_init_top_p(sampling.top_p, MIN_KEEP))
        if sampling.min_p > 0:
            steps.append(llama.llama_sampler_init_min_p(sampling.min_p, MIN_KEEP))
        steps += [
            llama.llama_sampler_init_temp(sampling.temperature),
            llama.llama_sampler_init_dist(seed_of(sampling.seed)),
        ]
    for step in steps:
        llama.llama_sampler_chain_add(chain, step)
    return chain
