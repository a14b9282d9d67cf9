"""Drawing by given logits, apart from a context: what is drawn is remembered only once it is accepted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from gateway.engine.llama.sampler import Sampler
from gateway.sampling import Sampling

N_VOCAB = 100


class Words:
    """A vocabulary of which only the size counts."""

    n_vocab = N_VOCAB
    vocab = None
    n_ctx_train = 100


WORDS = Words()


def logits(*liked: int) -> npt.NDArray[np.float32]:
    """The first is liked most."""
    row = np.zeros(N_VOCAB, dtype=np.float32)
    for rank, token in enumerate(liked):
        row[token] = 10.0 - rank
    return row


@pytest.mark.parametrize(
    "sampling",
    [Sampling(temperature=0), Sampling(temperature=0, repeat_penalty=1.5), Sampling(top_k=1)],
)
def test_the_largest_is_drawn_again_and_again(sampling: Sampling) -> None:
    """By argmax and by chains; the logits stay as they are."""
    sampler, row = Sampler(sampling, WORDS), logits(7, 9)
    assert [sampler.draw(row) for _ in range(3)] == [7, 7, 7]
    assert np.array_equal(row, logits(7, 9))


def test_only_what_is_accepted_is_penalised() -> None:
    """Drawing alone leaves nothing behind."""
    sampler, row = Sampler(Sampling(temperature=0, repeat_penalty=4.0), WORDS), logits(7, 9)
    assert sampler.draw(row) == sampler.draw(row) == 7
    sampler.accept(7)
    assert sampler.draw(row) == 9
    sampler.accept(9)
    assert sampler.draw(logits(7, 9, 11)) == 11


def test_what_is_masked_is_never_drawn() -> None:
    """Whatever the temperature."""
    sampler, row = Sampler(Sampling(temperature=5.0, top_k=0, top_p=1, min_p=0, seed=3), WORDS), logits()
    row[:] = -np.inf
    row[[3, 50]] = 0
    assert {sampler.draw(row) for _ in range(50)} == {3, 50}


def test_equal_seeds_draw_alike() -> None:
    """Also with another sampler between: each has its own random numbers."""
    sampling = Sampling(temperature=2.0, top_k=0, top_p=1, min_p=0, seed=42)
    one, two, other = (
        Sampler(sampling, WORDS),
        Sampler(sampling, WORDS),
        Sampler(Sampling(temperature=2.0, seed=1), WORDS),
    )
    drawn = []
    for _ in range(20):
        drawn.append(one.draw(logits()))
        other.draw(logits(5))
    assert [two.draw(logits()) for _ in range(20)] == drawn
    assert len(set(drawn)) > 5
