"""The rules of a request → tokens of the vocabulary, or why they cannot be had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from gateway.engine.logits.rules import LogitRules, ids_of
from gateway.sampling import NEVER, NO_RULES, TokenRules


class RulesError(ValueError):
    """A rule that cannot be obeyed; `param` is the field to blame."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


class RuleTokens(Protocol):
    """What must be known of a vocabulary. `end_tokens` end generation."""

    n_vocab: int

    @property
    def end_tokens(self) -> Sequence[int]:
        """Every token that ends generation."""

    def plain_tokens(self, text: str) -> list[int]:
        """The tokens of a text by itself, in which nothing is a control token."""


def resolve(rules: TokenRules, stop_tokens: Iterable[int], vocabulary: RuleTokens) -> LogitRules | None:
    """The rules as tokens; None where there are none.

    Raises:
        RulesError: a token is not in the vocabulary, or nothing may be chosen.
    """
    if rules == NO_RULES:
        return None
    biases = _biases(rules, vocabulary)
    runs = _banned(rules.bad_words, vocabulary)
    biases |= {run[0]: NEVER for run in runs if len(run) == 1}
    if rules.ignore_eos:
        biases |= dict.fromkeys(vocabulary.end_tokens, NEVER)
    allowed = _known(rules.allowed_tokens, "allowed_token_ids", vocabulary)
    if allowed and all(biases.get(token) == NEVER for token in allowed):
        message = "Nothing may be chosen: each token of `allowed_token_ids` is forbidden by another field."
        raise RulesError(message, "allowed_token_ids")
    early = {*vocabulary.end_tokens, *(token for token in stop_tokens if token < vocabulary.n_vocab)}
    return LogitRules(
        allowed=ids_of(sorted(allowed)),
        biased=ids_of(list(biases)),
        biases=np.array(list(biases.values()), dtype=np.float32),
        early=ids_of(sorted(early)),
        min_tokens=rules.min_tokens,
        banned=_by_last_but_one(runs),
        fallback=next(iter(vocabulary.end_tokens), 0),
    )


def _biases(rules: TokenRules, vocabulary: RuleTokens) -> dict[int, float]:
    """What is added to each token's logit; several for one token add up."""
    found: dict[int, float] = {}
    for named, bias in rules.logit_bias:
        ids = vocabulary.plain_tokens(named) if isinstance(named, str) else [named]
        for token in _known(ids, "logit_bias", vocabulary):
            found[token] = found.get(token, 0.0) + bias
    return found


def _known(tokens: Iterable[int], param: str, vocabulary: RuleTokens) -> list[int]:
    """The tokens, all of which are in the vocabulary.

    Raises:
        RulesError: one is not.
    """
    known = list(dict.fromkeys(tokens))
    for token in known:
        if not 0 <= token < vocabulary.n_vocab:
            bound = f"this model's vocabulary has {vocabulary.n_vocab} tokens, from 0"
            raise RulesError(f"`{param}` names the token {token}; {bound}.", param)
    return known


def _banned(words: Iterable[str], vocabulary: RuleTokens) -> list[tuple[int, ...]]:
    """The runs of tokens that are not completed: of each word as it is written, and with a space before it,
    as it stands inside of a sentence (vLLM's `bad_words`).
    """
    runs: dict[tuple[int, ...], None] = {}
    for word in words:
        for spelled in (word, f" {word.lstrip()}"):
            if tokens := vocabulary.plain_tokens(spelled):
                runs[tuple(tokens)] = None
    return list(runs)


def _by_last_but_one(runs: Iterable[tuple[int, ...]]) -> Mapping[int, Sequence[tuple[int, ...]]]:
    found: dict[int, list[tuple[int, ...]]] = {}
    for run in runs:
        if len(run) > 1:
            found.setdefault(run[-2], []).append(run)
    return found
