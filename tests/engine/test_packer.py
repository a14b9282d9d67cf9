"""The packer, driven without an engine."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.engine.embedding.packer import Job, Packer

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


def test_many_requests_of_one_caller_do_not_hold_another_up() -> None:
    """Each caller gets as many tokens as the other, however many requests it has."""
    packer = Packer(max_tokens=MOST_TOKENS, max_sequences=MOST_SEQUENCES)
    for number in range(20):
        packer.add(Job(str(number), [[0] * 4] * 5, 0, caller="busy"))
    packer.add(Job("late", [[0] * 4] * 10, 0, caller="other"))
    computed = [item.job.caller for _ in range(5) for item in packer.plan(5)]
    assert computed.count("other") == computed.count("busy") == 10


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.lists(st.integers(1, MOST_TOKENS), min_size=1, max_size=9)),
        min_size=1,
        max_size=8,
    )
)
def test_callers_have_had_nearly_the_same(asked: list[tuple[str, list[int]]]) -> None:
    """While two callers both have inputs left, they differ by no more than one input."""
    packer = Packer(max_tokens=MOST_TOKENS, max_sequences=MOST_SEQUENCES)
    left = {caller: sum(sum(sizes) for name, sizes in asked if name == caller) for caller, _ in asked}
    had = dict.fromkeys(left, 0)
    for number, (caller, sizes) in enumerate(asked):
        packer.add(Job(str(number), [[0] * size for size in sizes], 0, caller))
    while items := packer.plan(5):
        for item in items:
            had[item.job.caller] += len(item.tokens)
            waiting = [caller for caller in had if had[caller] < left[caller]]
            assert (
                not waiting
                or max(had[caller] for caller in waiting) - min(had[caller] for caller in waiting)
                <= MOST_TOKENS
            )
