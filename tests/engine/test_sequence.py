"""The parts of a sequence: what they say of themselves, each alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.protocol import Chunk
from gateway.engine.sequence.sequence import Waiting
from gateway.engine.sequence.stamps import MAX_CHUNKS, Stamps
from tests.engine.fakes import END, FakeVocabulary, sequence

VOCABULARY = FakeVocabulary()


@given(st.integers(1, 50), st.integers(0, 50), st.integers(0, 60))
def test_progress_counts(prompt: int, sampled: int, computed: int) -> None:
    """Prompt and answer are apart, and what is computed is of both; one token that is left is decoded, more
    are prefilled.
    """
    progress = sequence("a", [7] * prompt, 100).progress
    progress.tokens += [8] * sampled
    progress.advance(min(computed, prompt + sampled))
    assert (progress.prompt_tokens, progress.completion_tokens) == (prompt, sampled)
    assert progress.prefilled == min(computed, prompt)
    assert progress.remaining == prompt + sampled - progress.n_computed
    assert progress.prefilling == (computed < prompt or progress.remaining > 1)
    assert len(progress.kernels()) == len(progress.batched_kernel_mask) == progress.n_computed


def test_progress_goes_back() -> None:
    """A state that is placed, cut or given up is known token by token."""
    progress = sequence("a", [7] * 10, 100).progress
    progress.place(6, np.array([True] * 4 + [False] * 5))
    assert (progress.n_computed, progress.kernels().tolist()) == (6, [True] * 4 + [False] * 2)
    progress.cut(3)
    assert (progress.n_computed, progress.kernels().tolist()) == (3, [True] * 3)
    progress.cut(0)
    assert (progress.n_computed, len(progress.kernels())) == (0, 0)


def test_the_sequence_has_its_own_tokens() -> None:
    """What is sampled does not change what was asked."""
    one = sequence("a", [7] * 10, 100)
    one.extend([5, 6], VOCABULARY, 512, 0)
    assert one.progress.tokens == [*one.request.prompt, 5, 6]
    assert one.request.prompt == [7] * 10


@pytest.mark.parametrize(
    ("more", "sampled", "kept", "reason"),
    [
        ({}, [5, 6], [5, 6], ""),
        ({}, [5, END, 6], [5], "stop"),
        ({"stop_tokens": frozenset({6})}, [5, 6, 7], [5], "stop"),
        ({"stop": ("<6>",)}, [5, 6, 7], [5, 6], "stop"),
        ({"max_tokens": 2}, [5, 6, 7], [5, 6], "length"),
        ({"max_tokens": 100}, [5, 6, 7, 8], [5, 6, 7], "length"),
    ],
    ids=["goes on", "end", "stop token", "stop string", "limit", "context"],
)
def test_an_answer_ends_within_a_step(
    more: dict[str, Any],
    sampled: list[int],
    kept: list[int],
    reason: str,
) -> None:
    """Where it must; what a draft gave behind that is no part of it. The context of 13 tokens leaves three
    for the answer.
    """
    one = sequence("a", [7] * 10, **({"max_tokens": 50} | more))
    _, found = one.extend(sampled, VOCABULARY, 13, 5_000)
    assert found == reason
    assert one.progress.tokens[10:] == kept
    assert one.stamps.first_token_ns == 5_000
    assert len(one.stamps.gaps_us) == len(kept) - 1


def test_prefill_begins_once() -> None:
    """A sequence that comes back after it was suspended starts no second time; a state that was copied in
    ends the queue phase when copying begins, and begins prefill when it ended.
    """
    one = sequence("a", [7] * 10, 5, queued_ns=100)
    one.lookup.restore_ns = (300, 400)
    started = one.start(500)
    assert started is not None
    assert started.timings[-1].end_ns == 300
    assert (one.stamps.started_ns, one.stamps.prefill_ns) == (300, 400)
    assert one.start(600) is None
    assert one.stamps.started_ns == 300


def test_who_need_not_wait_says_so() -> None:
    """A request with a slot at once has no reason to wait; one that waits for a prefix has, even if a slot is
    free.
    """
    assert Waiting(holders="7").attributes() == {"position": 0, "depth": 0}
    assert Waiting(position=2, depth=1, holders="7").attributes() == {
        "position": 2,
        "depth": 1,
        "reason": "slots",
        "holders": "7",
    }
    assert Waiting(reason="kv").attributes()["reason"] == "kv"


def test_many_chunks_become_few() -> None:
    """No token and no time is lost where they are merged."""
    stamps = Stamps(0)
    for number in range(3 * MAX_CHUNKS):
        stamps.add_chunk(Chunk(number * 10, number * 10 + 9, 5, number))
    assert len(stamps.chunks) == MAX_CHUNKS
    assert sum(chunk.tokens for chunk in stamps.chunks) == 3 * MAX_CHUNKS * 5
    assert stamps.chunks[-1].end_ns == (3 * MAX_CHUNKS - 1) * 10 + 9
    assert stamps.chunks[-1].sequences == 3 * MAX_CHUNKS - 1


def test_marks_that_are_control_tokens_are_in_the_text() -> None:
    """Those that the request shows, as it says; none that ends the answer."""
    marked = sequence("a", [7] * 4, 10, shown={5: b"<call>", END: b"<end>"})
    assert marked.extend([5, 6, END], VOCABULARY, 100, 0) == ("<call><6>", "stop")
