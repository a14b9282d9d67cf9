"""Log-probabilities of tokens, from logits of a step that was computed anyway.

They are the model's own: the log-softmax of the raw logits, before biases, penalties, temperature and any
sampler. That is what `n_probs` and `logprobs` are in llama-server (unless `post_sampling_probs` is asked
for), and vLLM's default (`logprobs_mode` `raw_logprobs`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Logits: TypeAlias = npt.NDArray[np.float32]
"""One number per token of the vocabulary: shape (n_vocab,)."""

Ids: TypeAlias = npt.NDArray[np.signedinteger[Any]]

LEAST = -9999.0
"""Stands for a token that is all but impossible, as in OpenAI's API: JSON has no infinity."""

ROWS = 64
"""Rows in which the vocabulary is written to find the largest logits by column."""


class Scored(NamedTuple):
    """A token with its log-probability, and those that are likeliest at its place, the first first."""

    token: int
    logprob: float
    top: list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Place:
    """A place of an answer, before its token is chosen: what its logits must be reduced by to be
    log-probabilities, and the tokens that are likeliest there.
    """

    total: float
    top: list[tuple[int, float]]

    def scored(self, token: int, logit: float) -> Scored:
        """The token that was chosen there, whose raw logit this is."""
        return Scored(token, _bounded(logit - self.total), self.top)


def place_of(logits: Logits, count: int) -> Place:
    """The place with these raw logits, and the `count` likeliest tokens there."""
    total, top = log_sum_exp(logits), largest_ids(logits, count)
    scores = [_bounded(logit - total) for logit in logits[top].tolist()] if top else []
    return Place(total, list(zip(top, scores, strict=True)))


def score(logits: Logits, token: int, count: int) -> Scored:
    """The log-probability of a token by these logits, and of the `count` likeliest ones."""
    return place_of(logits, count).scored(token, float(logits[token]))


def log_sum_exp(logits: Logits) -> float:
    """The logarithm of the sum of all exponentials, by which logits become log-probabilities."""
    room, largest = _room(len(logits)), float(logits.max())
    np.subtract(logits, largest, out=room)
    np.exp(room, out=room)
    return largest + math.log(float(room.sum()))


def largest_ids(logits: Logits, count: int) -> list[int]:
    """The `count` tokens with the largest logits, the largest first; of equals the one with the lowest id.

    Sorting the whole vocabulary would cost more than the rest of a token. Written in rows, it has a largest
    logit in each column: at least `count` logits are as large as the last of the `count` largest of those,
    and few more.
    """
    columns = len(logits) // ROWS
    if count <= 0:
        return []
    if count >= columns:
        ids: Ids = np.arange(len(logits))
    else:
        maxima = logits[: ROWS * columns].reshape(ROWS, columns).max(axis=0)
        least = np.partition(maxima, columns - count)[columns - count]
        ids = np.flatnonzero(logits >= least)
    order = np.argsort(-logits[ids], kind="stable")[:count]
    return [int(one) for one in ids[order]]


@cache
def _room(size: int) -> Logits:
    """Room for the exponentials of a vocabulary, one for all: only one thread samples."""
    return np.empty(size, dtype=np.float32)


def _bounded(logprob: float) -> float:
    """Six digits are what 32-bit logits are worth; never above 0, never less than `LEAST`."""
    return min(0.0, max(LEAST, round(logprob, 6)))
