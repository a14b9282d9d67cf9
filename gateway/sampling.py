"""How tokens are chosen: the same words for whoever asks and whoever computes."""

from __future__ import annotations

import math

import msgspec

NEVER = -math.inf
"""The bias of a token that may not be chosen."""


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    """The controls of one answer, by llama-server's names; what a sampler does at these defaults is nothing.

    Temperature 0 is greedy; `top_k` 0, `top_p` 1, `min_p` 0 and penalties of 0 (1 for `repeat_penalty`) do
    nothing. `seed` None draws one. `repeat_last_n` is the window of the penalties in tokens, and
    `dry_penalty_last_n` that of DRY (-1: the whole context). With `mirostat` 1 or 2 only the temperature
    counts beside it, as in llama.cpp. The defaults are llama.cpp's own: with OpenAI's (temperature 1, no cut)
    small models lose the thread.
    """

    temperature: float = 0.8
    dynatemp_range: float = 0.0
    dynatemp_exponent: float = 1.0
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    top_n_sigma: float = -1.0
    typical_p: float = 1.0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    seed: int | None = None
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_penalty_last_n: int = 64
    dry_sequence_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1

    def with_seed(self, seed: int) -> Sampling:
        """The same with another seed."""
        return msgspec.structs.replace(self, seed=seed)


DEFAULT_SAMPLING = Sampling()


class TokenRules(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens that may be chosen at all, and what is added to their logits, whatever the model says.

    `logit_bias` are pairs of a token or a text (each token of it) and what is added, `NEVER` to forbid it;
    of `allowed_tokens` one is chosen each time (none named: of all). The texts of `bad_words` are not
    generated. `ignore_eos` forbids the tokens that end generation, and `min_tokens` forbids them, and those
    of `stop_tokens`, before the answer has so many tokens.
    """

    logit_bias: tuple[tuple[int | str, float], ...] = ()
    allowed_tokens: tuple[int, ...] = ()
    bad_words: tuple[str, ...] = ()
    ignore_eos: bool = False
    min_tokens: int = 0


NO_RULES = TokenRules()


class TokenLogprob(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A token and the natural logarithm of its probability by the model. `piece` are its bytes; a control
    token has none, but a `name`.
    """

    token: int
    logprob: float
    piece: bytes
    name: str = ""


class ChosenLogprob(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A token of an answer, and the `top` ones at its place, the likeliest first: as many as were asked
    for.
    """

    chosen: TokenLogprob
    top: tuple[TokenLogprob, ...] = ()
