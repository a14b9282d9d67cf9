"""The packer, driven without an engine."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.engine.packer import Job, Packer

MOST_TOKENS, MOST_SEQUENCES = 16, 4
SIZES = st.lists(st.lists(st.integers(1, MOST_TOKENS), min_size=1, max_size=9), min_size=1, max_size=8)


def packer_with(sizes: list[list[int]]) -> tuple[Packer, list[Job]]:
    """A packer with a job for each list of input sizes."""
    packer = Packer(max_tokens=MOST_TOKENS, max_sequences=MOST_SEQUENCES)
    jobs = [Job(str(number), [[0] * size for size in inputs], 0) for number, inputs in enumerate(sizes)]
    for job in jobs:
        packer.add(job)
    return packer, jobs


@settings(deadline=None)
@given(SIZES)
def test_every_input_is_computed_once_within_bounds(sizes: list[list[int]]) -> None:
    """Batches keep to their bounds, and each input's own vector comes back to it."""
    packer, jobs = packer_with(sizes)
    over: list[Job] = []
    while items := packer.plan(5):
        assert len(items) <= MOST_SEQUENCES
        assert sum(len(item.tokens) for item in items) <= MOST_TOKENS
        over += packer.apply(items, [f"{item.job.id}/{item.index}".encode() for item in items])
    assert sorted(job.id for job in over) == sorted(job.id for job in jobs)
    for job in jobs:
        assert job.vectors == {index: f"{job.id}/{index}".encode() for index in range(len(job.inputs))}


@settings(deadline=None)
@given(SIZES, st.integers(0, 7), st.integers(0, 6))
def test_a_cancelled_job_is_in_no_later_batch(sizes: list[list[int]], which: int, after: int) -> None:
    """Cancelling ends a job between batches and leaves the others whole."""
    packer, jobs = packer_with(sizes)
    cancelled = jobs[which % len(jobs)]
    over: list[Job] = []
    for turn in range(200):
        if turn == after and cancelled not in over:
            packer.cancel(cancelled.id)
        items = packer.plan(5)
        if turn >= after:
            assert cancelled not in [item.job for item in items]
        over += packer.apply(items, [b""] * len(items))
    assert {job.id for job in over} | {cancelled.id} == {job.id for job in jobs}


def test_a_short_request_does_not_wait_for_a_long_one() -> None:
    """Requests take turns, so one input is computed with the first of many."""
    packer, (_, short) = packer_with([[4] * 50, [4]])
    items = packer.plan(5)
    assert short in packer.apply(items, [b""] * len(items))


def test_a_failed_batch_ends_its_jobs_and_no_others() -> None:
    """What was not in the batch goes on."""
    packer, (first, second, third) = packer_with([[8, 8], [8], [8]])
    assert packer.fail(packer.plan(5)) == [first, second]
    assert [item.job for item in packer.plan(6)] == [third]
