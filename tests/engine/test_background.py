"""Background sequences: they make way without being thrown out for nothing, nobody waits for one that does
not go on, and a suspended answer goes on from its state.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.engine.cache.blocks import Blocks
from gateway.engine.cache.entry import Origin, State
from gateway.engine.cache.spans import MessageSpan
from gateway.engine.schedule.fairness import BACKGROUND_PATIENCE_NS
from tests.engine.background import ROWS, Watched, behind, text, with_blocks
from tests.engine.fakes import TOKEN_NS, sequence
from tests.engine.rig import Rig

PREFIX = [9] * 200


def test_an_aged_one_gets_the_prefix_that_it_waits_for() -> None:
    """It counts as interactive, and waits for what a younger one computes: that one goes on, too."""
    rig = Watched(slots=2, max_batch=16)
    rig.add(behind("young", [*PREFIX, 1], 5))
    rig.step()
    old = behind("old", [*PREFIX, 2], 5)
    rig.add(old)
    old.stamps.queued_ns -= BACKGROUND_PATIENCE_NS
    rig.run()
    assert (rig.texts["young"], rig.texts["old"]) == (text([*PREFIX, 1], 5), text([*PREFIX, 2], 5))
    assert rig.backend.computed < len(PREFIX) + 32 + 2 * (1 + 5), (
        "the prefix is computed once, but for what is not worth waiting for"
    )


def test_an_aged_one_gets_it_beside_an_interactive_one_in_full_slots() -> None:
    """The slots are full, so nobody is placed: the younger one still goes on, and is not thrown out while
    it is needed.
    """
    rig = Watched(slots=2, max_batch=16)
    rig.add(behind("young", [*PREFIX, 1], 50))
    rig.step()
    rig.add(sequence("chat", [3] * 20, 400))
    rig.step()
    old = behind("old", [*PREFIX, 2], 5)
    rig.add(old)
    old.stamps.queued_ns -= BACKGROUND_PATIENCE_NS
    while "old" not in rig.finished:
        rig.step()
    assert "chat" not in rig.finished
    assert rig.suspended == ["young"]
    rig.run()
    assert rig.texts["young"] == text([*PREFIX, 1], 50)


def test_nobody_is_thrown_out_for_one_that_waits_for_a_prefix() -> None:
    """An interactive request that waits for another one's prefix would not take the slot: the background
    one keeps it.
    """
    rig = Watched(slots=2, max_batch=16, n_ctx=512)
    rig.add(behind("title", [3] * 20, 50))
    rig.step()
    rig.add(sequence("first", [*PREFIX, 1], 5))
    rig.step()
    rig.add(sequence("second", [*PREFIX, 2], 5))
    for _ in range(5):
        rig.step()
    assert [one.id for one in rig.scheduler.waiting] == ["second"]
    assert rig.suspended == []
    rig.run()
    assert rig.suspended == ["title"], "when the prefix is there, the slot is given"
    assert rig.placed == ["title", "first", "second", "title"]
    assert rig.texts["title"] == text([3] * 20, 50)


def test_a_suspended_answer_goes_on_from_its_state() -> None:
    """With two kernels, too: neither prompt nor answer is computed again, and what was sampled stays the
    small kernel's.
    """
    rig = Watched(slots=1, n_ctx=512)
    title = with_blocks(behind("title", [3] * 150, 60))
    rig.add(title)
    while title.progress.completion_tokens < 20:
        rig.step()
    before, kernels = rig.backend.computed, bytes(title.progress.batched_kernel_mask)
    rig.add(with_blocks(sequence("chat", [4] * 100, 10)))
    while "chat" not in rig.finished:
        rig.step()
    chat = rig.backend.computed - before
    rig.run()
    assert chat == 100 + 9
    assert rig.backend.computed - before - chat == 40, "one token per token of the answer that was left"
    assert rig.texts["title"] == text([3] * 150, 60)
    assert bytes(title.progress.batched_kernel_mask[: len(kernels)]) == kernels
    assert not any(title.progress.batched_kernel_mask[150:])


def test_a_suspended_answer_that_shared_its_steps_goes_on_from_its_state() -> None:
    """Its prompt was computed in small pieces, by the other kernel than it would be alone: its own state
    is right all the same.
    """
    rig = Watched(slots=2, n_ctx=512, max_stall_tokens=20)
    rig.add(sequence("stream", [5] * 4, 300))
    rig.step()
    title = with_blocks(behind("title", [3] * 150, 60))
    title.stamps.queued_ns = -BACKGROUND_PATIENCE_NS
    rig.scheduler.add(title)  # computed beside the stream, as one that has waited for long
    while title.progress.completion_tokens < 20:
        rig.step()
    held = title.progress.n_computed
    title.stamps.queued_ns = rig.now_ns  # and yields now
    rig.add(sequence("chat", [4] * 100, 3))
    rig.cancel("stream")
    rig.add(sequence("other", [6] * 100, 3))
    while "chat" not in rig.finished or "other" not in rig.finished:
        rig.step()
    assert rig.suspended == ["title"]
    before, left = rig.backend.computed, 60 - title.progress.completion_tokens
    rig.run()
    assert held > 150
    assert rig.backend.computed - before == left


def test_a_suspended_answer_whose_state_is_gone_is_computed_as_it_was() -> None:
    """Without a cache the prompt's kernels are those of its first time, and the answer's tokens are the
    small one's.
    """
    rig = Watched(slots=1, n_ctx=512, ram_bytes=0)
    title = with_blocks(behind("title", [3] * 150, 100))
    rig.add(title)
    while title.progress.completion_tokens < 80:
        rig.step()
    kernels = bytes(title.progress.batched_kernel_mask)
    rig.add(with_blocks(sequence("chat", [4] * 100, 10)))
    rig.run()
    assert rig.suspended == ["title"]
    assert bytes(title.progress.batched_kernel_mask[: len(kernels)]) == kernels
    assert not any(title.progress.batched_kernel_mask[150:])
    assert rig.texts["title"] == text([3] * 150, 100)


def test_a_suspended_answer_keeps_no_index_of_its_prompt() -> None:
    """What waits has no n-grams in memory, and drafts as before when it goes on."""
    rig = Rig(slots=1, period=10, step_tokens=20)
    title = behind("title", [3] * 50, 100, drafting=True)
    rig.add(title)
    for _ in range(15):
        rig.step()
    assert title.drafter is not None
    assert any(title.drafter._follows.values())
    rig.add(sequence("chat", [4] * 30, 3))
    rig.step()
    assert title in rig.scheduler.waiting
    assert not any(title.drafter._follows.values())
    rig.run()
    assert title.drafter.tally.accepted > 0


def test_what_was_read_once_is_blamed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A suspended request that is placed again has held up others by this copy, not by the one before as
    well.
    """
    rig = Rig(slots=2)
    rig.answer("a1", [3] * 100, 5)
    rig.answer("b1", [4] * 100, 5)
    rig.answer("c1", [5] * 100, 5)
    restore = rig.backend.restore

    def slow(slot: int, state: State, tokens: int) -> bool:
        """By the fake clock."""
        rig.now_ns += 50 * TOKEN_NS
        return restore(slot, state, tokens)

    monkeypatch.setattr(rig.backend, "restore", slow)
    title = behind("title", [3] * 101, 60)
    rig.add(title)
    rig.step()
    first = title.stamps.copied_ns
    rig.step()
    rig.add(sequence("chat", [6] * 20, 100), sequence("more", [7] * 20, 8))
    while "more" not in rig.finished:
        rig.step()
    while title.slot is None:
        rig.step()
    second = title.stamps.copied_ns
    rig.run()
    lost = {delay.cause.value: delay for delay in rig.finished["chat"].delayed_by if delay.other == "title"}
    assert first is not None
    assert second is not None
    assert second[0] > first[1]
    assert lost["restore"].total_ns == second[1] - second[0]
    started = next(started for started in rig.scheduler.started if started.id == "title")
    assert [
        (timing.start_ns, timing.end_ns) for timing in started.timings if timing.phase == "cache_restore"
    ] == [first]


load = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from([0, 40, 120]),
        st.integers(1, 20),
        st.integers(1, 12),
        st.booleans(),
        st.integers(0, 6),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=250, deadline=None)
@given(load, st.integers(1, 3), st.sampled_from([0, 500, 10**6]), st.sampled_from([0, ROWS]), st.data())
def test_any_load_goes_on(
    requests: list[tuple[int, int, int, int, bool, int]],
    slots: int,
    ram_bytes: int,
    rows: int,
    data: st.DataObject,
) -> None:
    """Common prefixes, background and interactive, ages, cancels, tiny caches: each step computes something;
    who is thrown out makes way for somebody in the same step; each answer is its own.
    """
    rig = Watched(
        slots=slots, n_ctx=256, ram_bytes=ram_bytes, max_batch=data.draw(st.sampled_from([16, 64, 128]))
    )
    prompts: dict[str, tuple[list[int], int]] = {}
    for number, (first, shared, own, count, is_background, steps) in enumerate(requests):
        name, prompt = f"r{number}", [first + 1] * shared + [10 + number] * own
        prompts[name] = (prompt, count)
        made = sequence(name, prompt, count, origin=Origin(background=is_background))
        made.progress.blocks = Blocks([MessageSpan("user", 0, 0, len(prompt), 1)], len(prompt), rows)
        rig.add(made)
        if data.draw(st.integers(0, 5)) == 0:
            rig.now_ns += BACKGROUND_PATIENCE_NS
        if data.draw(st.integers(0, 9)) == 0:
            rig.cancel(name)
        for _ in range(steps):
            _step(rig)
    for _ in range(5000):
        if rig.scheduler.idle:
            break
        _step(rig)
    assert rig.scheduler.idle
    for name, (prompt, count) in prompts.items():
        if rig.finished[name].reason == "length":
            assert rig.texts[name] == text(prompt, count)


def _step(rig: Watched) -> None:
    placed, suspended = len(rig.placed), len(rig.suspended)
    rig.step()
    new = rig.placed[placed:]
    for name in rig.suspended[suspended:]:
        assert new, f"{name} made way for nobody"
        assert new[0] != name, f"{name} was thrown out and is back at once"
