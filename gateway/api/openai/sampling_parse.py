"""Checked fields that say how tokens are chosen → the neutral words for it."""

from __future__ import annotations

import re

from gateway.api.openai.chat_schema import ChatControls
from gateway.api.openai.sampling_schema import SamplingControls
from gateway.errors import InvalidRequestError
from gateway.sampling import NEVER, Sampling, TokenRules
from telemetry.events import Scalar

RECORDED = (
    "temperature", "dynatemp_range", "dynatemp_exponent", "top_p", "top_k", "min_p", "top_n_sigma",
    "typical_p", "xtc_probability", "xtc_threshold", "seed", "frequency_penalty", "presence_penalty",
    "repeat_penalty", "repeat_last_n", "dry_multiplier", "dry_base", "dry_allowed_length",
    "dry_penalty_last_n", "mirostat", "mirostat_tau", "mirostat_eta", "min_tokens", "ignore_eos",
    "include_stop_str_in_output", "logprobs", "top_logprobs",
)  # fmt: skip
"""Fields that a record keeps: none of them has a text."""

NUMBER = re.compile("-?[0-9]+")
MAX_DIGITS = 11


def sampling_of(raw: SamplingControls) -> Sampling:
    """What is not given keeps the default of `Sampling`."""
    given = {name: getattr(raw, name, None) for name in Sampling.__struct_fields__}
    if given["repeat_penalty"] is None:
        given["repeat_penalty"] = raw.repetition_penalty
    if raw.dry_sequence_breakers is not None:
        given["dry_sequence_breakers"] = tuple(raw.dry_sequence_breakers)
    return Sampling(**{name: value for name, value in given.items() if value is not None})


def rules_of(raw: SamplingControls, max_tokens: int | None) -> TokenRules:
    """The tokens that may be chosen.

    Raises:
        InvalidRequestError: a token or a bias is none, or more tokens are wanted than allowed.
    """
    if raw.min_tokens is not None and max_tokens is not None and raw.min_tokens > max_tokens:
        message = f"`min_tokens` must be at most `max_tokens`, which is {max_tokens}."
        raise InvalidRequestError(message, param="min_tokens")
    return TokenRules(
        logit_bias=_logit_bias(raw),
        allowed_tokens=tuple(raw.allowed_token_ids or ()),
        bad_words=tuple(raw.bad_words or ()),
        ignore_eos=bool(raw.ignore_eos),
        min_tokens=raw.min_tokens or 0,
    )


def logprobs_of(raw: ChatControls) -> int | None:
    """How many of the likeliest tokens are told beside each of the answer; None where no token is.

    Raises:
        InvalidRequestError: some are asked for, but not that of the answer's own.
    """
    if raw.logprobs:
        return raw.top_logprobs or 0
    if raw.top_logprobs:
        message = "`top_logprobs` is told with `logprobs`: send `logprobs: true` too."
        raise InvalidRequestError(message, param="top_logprobs")
    return None


def numbers_of(raw: SamplingControls) -> dict[str, Scalar]:
    """Numbers for the record; never texts of the caller."""
    given = ((name, getattr(raw, name, None)) for name in RECORDED)
    return {name: value for name, value in given if value is not None}


def _logit_bias(raw: SamplingControls) -> tuple[tuple[int | str, float], ...]:
    """OpenAI's object or llama-server's list as pairs; in an object, a key that is no number is a text."""
    given = raw.logit_bias or ()
    pairs = given.items() if isinstance(given, dict) else given
    return tuple((_token(named), _bias(bias)) for named, bias in pairs)


def _token(named: int | str) -> int | str:
    if isinstance(named, int) or not NUMBER.fullmatch(named):
        return named
    if len(named) > MAX_DIGITS:
        message = f"`logit_bias` names the token {named[:MAX_DIGITS]}..., which no vocabulary has."
        raise InvalidRequestError(message, param="logit_bias")
    return int(named)


def _bias(bias: float | bool) -> float:
    if bias is True:
        message = "A bias in `logit_bias` is a number from -100 to 100, or false to forbid the token."
        raise InvalidRequestError(message, param="logit_bias")
    return NEVER if bias is False else float(bias)
