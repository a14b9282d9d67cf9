"""llama.cpp's samplers as a chain, in its own default order (`common_params_sampling.samplers`): penalties,
DRY, top-n-sigma, top-k, typical-p, top-p, min-p, XTC, temperature, and a draw. One that would do nothing is
left out.
"""

from __future__ import annotations

import ctypes
import hashlib
import secrets
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import llama_cpp.llama_cpp as llama

from gateway.sampling import Sampling

MIN_KEEP = 1

RANDOM = 0xFFFFFFFF
"""LLAMA_DEFAULT_SEED: llama.cpp takes it for "draw one"."""

MIROSTAT_TOKENS = 100
"""Of Mirostat 1, by which it estimates how the vocabulary is distributed: llama.cpp's own number."""

MAX_XTC_THRESHOLD = 0.5
"""With a larger one XTC does nothing."""


class Vocabulary(Protocol):
    """What samplers must know of a model; `vocab` is llama.cpp's."""

    n_vocab: int
    vocab: Any

    @property
    def n_ctx_train(self) -> int:
        """Tokens of the longest text that the model was trained with."""


def chain_of(
    sampling: Sampling, vocabulary: Vocabulary, prompt: Sequence[int]
) -> llama.llama_sampler_p | None:
    """A chain, which the caller frees; None where the likeliest token is taken and nothing touches it. DRY
    knows the prompt, as in llama-server.
    """
    steps = list(_steps(sampling, vocabulary, prompt))
    if not steps:
        return None
    chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
    for step in steps:
        llama.llama_sampler_chain_add(chain, step)
    return chain


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


def _steps(sampling: Sampling, vocabulary: Vocabulary, prompt: Sequence[int]) -> Iterator[Any]:
    """The samplers of a chain, the one that selects last."""
    greedy = sampling.temperature <= 0 and sampling.dynatemp_range <= 0
    seed = seed_of(sampling.seed)
    if sampling.mirostat:
        if sampling.temperature > 0:
            yield llama.llama_sampler_init_temp(sampling.temperature)
            yield _mirostat(sampling, vocabulary, seed)
        return
    begin = list(_against_repetition(sampling, vocabulary, prompt))
    yield from begin
    cuts = list(_cuts(sampling, seed)) if not greedy or _cuts_the_likeliest(sampling) else []
    yield from cuts
    if not greedy:
        yield _temperature(sampling)
        yield llama.llama_sampler_init_dist(seed)
    elif begin or cuts:
        yield llama.llama_sampler_init_greedy()


def _mirostat(sampling: Sampling, vocabulary: Vocabulary, seed: int) -> Any:
    tau, eta = sampling.mirostat_tau, sampling.mirostat_eta
    if sampling.mirostat == 1:
        return llama.llama_sampler_init_mirostat(vocabulary.n_vocab, seed, tau, eta, MIROSTAT_TOKENS)
    return llama.llama_sampler_init_mirostat_v2(seed, tau, eta)


def _against_repetition(sampling: Sampling, vocabulary: Vocabulary, prompt: Sequence[int]) -> Iterator[Any]:
    repeat, window = sampling.repeat_penalty, sampling.repeat_last_n
    frequency, presence = sampling.frequency_penalty, sampling.presence_penalty
    if (frequency, presence, repeat) != (0.0, 0.0, 1.0):
        yield llama.llama_sampler_init_penalties(vocabulary.n_vocab, window, repeat, frequency, presence)
    if sampling.dry_multiplier > 0 and sampling.dry_penalty_last_n:
        yield _dry(sampling, vocabulary, prompt)


def _dry(sampling: Sampling, vocabulary: Vocabulary, prompt: Sequence[int]) -> Any:
    """Looks at all of the vocabulary for each sequence breaker, which takes milliseconds."""
    last_n = sampling.dry_penalty_last_n
    window = vocabulary.n_ctx_train if last_n < 0 else min(last_n, vocabulary.n_ctx_train)
    breakers = [text.encode() for text in sampling.dry_sequence_breakers]
    dry = llama.llama_sampler_init_dry(
        vocabulary.vocab,
        sampling.dry_multiplier,
        sampling.dry_base,
        sampling.dry_allowed_length,
        window,
        (ctypes.c_char_p * len(breakers))(*breakers),
        len(breakers),
    )
    for token in prompt[-window:]:
        llama.llama_sampler_accept(dry, token)
    return dry


def _cuts_the_likeliest(sampling: Sampling) -> bool:
    """True where what is cut may be the likeliest token itself, so that it matters to greedy sampling too."""
    return sampling.typical_p < 1 or _uses_xtc(sampling)


def _uses_xtc(sampling: Sampling) -> bool:
    return sampling.xtc_probability > 0 and sampling.xtc_threshold <= MAX_XTC_THRESHOLD


def _cuts(sampling: Sampling, seed: int) -> Iterator[Any]:
    if sampling.top_n_sigma > 0:
        yield llama.llama_sampler_init_top_n_sigma(sampling.top_n_sigma)
    if sampling.top_k > 0:
        yield llama.llama_sampler_init_top_k(sampling.top_k)
    if sampling.typical_p < 1:
        yield llama.llama_sampler_init_typical(sampling.typical_p, MIN_KEEP)
    if sampling.top_p < 1:
        yield llama.llama_sampler_init_top_p(sampling.top_p, MIN_KEEP)
    if sampling.min_p > 0:
        yield llama.llama_sampler_init_min_p(sampling.min_p, MIN_KEEP)
    if _uses_xtc(sampling):
        yield llama.llama_sampler_init_xtc(sampling.xtc_probability, sampling.xtc_threshold, MIN_KEEP, seed)


def _temperature(sampling: Sampling) -> Any:
    if sampling.dynatemp_range > 0:
        spread, exponent = sampling.dynatemp_range, sampling.dynatemp_exponent
        return llama.llama_sampler_init_temp_ext(sampling.temperature, spread, exponent)
    return llama.llama_sampler_init_temp(sampling.temperature)
