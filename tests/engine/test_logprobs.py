"""Log-probabilities: the model's own, and the likeliest tokens as a full sort finds them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.logits.logprobs import LEAST, ROWS, Logits, largest_ids, score


def logits_of(seed: int, size: int, levels: int) -> Logits:
    """Random ones; a few levels give many equal ones."""
    values = np.random.default_rng(seed).integers(-levels, levels, size)
    return values.astype(np.float32) / np.float32(7)


sizes = st.integers(1, 5 * ROWS) | st.integers(40 * ROWS, 45 * ROWS)


@given(st.integers(0, 2**32), sizes, st.sampled_from([1, 2, 50, 10**6]), st.integers(0, 20))
def test_the_largest_are_those_of_a_sort(seed: int, size: int, levels: int, count: int) -> None:
    """In that order, the lower id first where they are equal, whatever the size of the vocabulary."""
    logits = logits_of(seed, size, levels)
    assert largest_ids(logits, count) == list(np.argsort(-logits, kind="stable")[:count])


@given(st.integers(0, 2**32), st.integers(20, 5000))
def test_scores_are_the_softmax(seed: int, size: int) -> None:
    """All tokens together have all of the probability, the first one most; shifting changes nothing."""
    logits = logits_of(seed, size, 100)
    token = seed % size
    found = score(logits, token, size)
    exact = logits.astype(np.float64) - math.log(np.exp(logits.astype(np.float64)).sum())
    assert found.logprob == pytest.approx(exact[token], abs=1e-4)
    assert [one[1] for one in found.top] == pytest.approx([exact[one] for one, _ in found.top], abs=1e-4)
    assert sum(math.exp(one[1]) for one in found.top) == pytest.approx(1, abs=1e-3)
    assert found.top[0][0] == int(np.argmax(logits))
    assert score(logits + np.float32(64), token, 0).logprob == pytest.approx(found.logprob, abs=1e-4)


def test_none_is_asked_for() -> None:
    """Then none is told, but that of the token."""
    assert score(logits_of(1, 5000, 9), 17, 0).top == []


def test_what_cannot_be_is_told_as_a_number() -> None:
    """JSON has no infinity, and no probability is above 1."""
    logits = np.full(4 * ROWS, -np.inf, dtype=np.float32)
    logits[5] = 3.0
    found = score(logits, 9, 2)
    assert (found.logprob, found.top[0], found.top[1][1]) == (LEAST, (5, 0.0), LEAST)
