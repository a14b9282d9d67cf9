"""The waiting queue and the slot table: what each says, and what they notice when they disagree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.cache.entry import Origin
from gateway.engine.schedule.decode import DecodePlanner
from gateway.engine.schedule.fairness import FairShare
from gateway.engine.schedule.pace import Pace
from gateway.engine.schedule.waiting_queue import MAX_HOLDERS, WaitingQueue
from tests.engine.fakes import sequence
from tests.engine.rig import Rig


def test_a_place_in_the_queue_counts_free_slots() -> None:
    """With two free slots the first two need not wait; all are named by arrival, and the holders are few."""
    queue = WaitingQueue(FairShare())
    running = [sequence(f"h{number}", [1], 1) for number in range(MAX_HOLDERS + 3)]
    arrived = [sequence(f"w{number}", [1], 1) for number in range(4)]
    for one in arrived:
        queue.add(one, running, 2)
    assert [(one.waiting.position, one.waiting.depth) for one in arrived] == [(0, 0), (0, 1), (1, 2), (2, 3)]
    assert arrived[0].waiting.holders.split(",") == [f"h{number}" for number in range(MAX_HOLDERS)]
    assert queue.snapshot() == arrived


def test_a_snapshot_stands_still() -> None:
    """Another thread may look at it while sequences come and go."""
    queue = WaitingQueue(FairShare())
    one, two = sequence("1", [1], 1), sequence("2", [1], 1)
    queue.add(one, [], 1)
    before = queue.snapshot()
    queue.add(two, [], 1)
    queue.remove(one)
    assert (before, queue.snapshot(), len(queue)) == ([one], [two], 1)


def test_the_turn_is_not_the_arrival() -> None:
    """Interactive before background, whoever had least before others."""
    shares = FairShare()
    queue = WaitingQueue(shares)
    behind = sequence("1", [1], 1, caller="a", origin=Origin(background=True))
    much, little = sequence("2", [1], 1, caller="b"), sequence("3", [1], 1, caller="c")
    for one in (behind, much, little):
        queue.add(one, [], 0)
    shares.computed(much.request, 100)
    assert queue.in_turn(0) == [little, much, behind]
    assert queue.snapshot() == [behind, much, little]


def test_slots_come_back() -> None:
    """How many are free is what nobody holds; an empty one has no sequence to ask for."""
    rig = Rig(slots=2)
    slots = rig.scheduler.slots
    rig.add(sequence("a", [1] * 5, 3))
    rig.step()
    assert (len(slots), slots.free, slots[0].id) == (2, 1, "a")
    with pytest.raises(AssertionError, match="empty"):
        _ = slots[1]
    rig.run()
    assert (slots.free, slots.running) == (2, [])
    assert slots.mean_held_ns > 0


def test_a_disagreement_is_noticed() -> None:
    """A sequence that believes to be elsewhere, one that waits and holds something, one that has more than
    its context.
    """
    rig = Rig(slots=2, n_ctx=32)
    rig.add(sequence("a", [1] * 5, 9), sequence("b", [2] * 5, 9), sequence("c", [3] * 5, 9))
    rig.step()
    first, second = rig.scheduler.running
    (waits,) = rig.scheduler.waiting
    rig.scheduler.check_integrity()
    first.slot = second.slot
    with pytest.raises(AssertionError, match="a believes to be in slot 1"):
        rig.scheduler.check_integrity()
    first.slot, waits.slot = 0, 1
    with pytest.raises(AssertionError, match="c waits and holds slot 1"):
        rig.scheduler.check_integrity()
    waits.slot = None
    waits.progress.n_computed = 1
    with pytest.raises(AssertionError, match="c waits and holds state"):
        rig.scheduler.check_integrity()
    waits.progress.n_computed = 0
    first.progress.tokens += [1] * 40
    with pytest.raises(AssertionError, match="a outgrew its context"):
        rig.scheduler.check_integrity()


@given(st.integers(1, 60), st.integers(1, 80), st.integers(0, 40), st.integers(1, 8), st.integers(8, 64))
def test_guesses_fit(prompt: int, max_tokens: int, sampled: int, decoding: int, max_batch: int) -> None:
    """As many as there is room for never outgrow the answer, the context or the batch."""
    one = sequence("a", [1] * prompt, max_tokens)
    one.progress.tokens += [2] * sampled
    room = DecodePlanner(Pace(1e6, 10**9, 512), n_ctx=64, max_batch=max_batch).room(one, decoding)
    assert decoding * (1 + room) <= max_batch
    if room >= 0:
        assert sampled + 1 + room <= max_tokens
        assert prompt + sampled + 1 + room <= 64
