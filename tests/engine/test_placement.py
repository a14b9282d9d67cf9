"""The prefix cache and the slots with a fake backend: what is there is used, nothing mixes, budgets are
kept.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.engine.cache.entry import Origin
from gateway.engine.cache.reasons import Comparison
from telemetry.events import CacheReason, CacheSource
from tests.engine.fakes import expected, next_token, sequence
from tests.engine.rig import Rig

SYSTEM = [9] * 100


def text(prompt: list[int], count: int) -> str:
    return "".join(f"<{token}>" for token in expected(prompt, count))


def turn(prompt: list[int], answer: int, new: list[int]) -> list[int]:
    """The prompt of a chat's next turn: all so far, `answer` tokens of the model, and a new message."""
    return [*prompt, *expected(prompt, answer), *new]


def test_next_turn_computes_only_the_new_message() -> None:
    """The second turn finds prompt and answer of the first in the KV, where they were left."""
    rig = Rig()
    rig.answer("one", [5] * 40, 10)
    before = rig.backend.computed
    second = rig.answer("two", turn([5] * 40, 10, [6] * 8), 3)
    assert (second.lookup.matched, second.lookup.source) == (49, CacheSource.KV)
    assert rig.backend.computed - before == 1 + 8 + 2, (
        "the last token of the answer, the new message, and two sampled ones"
    )
    assert rig.backend.restored == 0


def test_chats_that_take_turns_come_back_from_ram() -> None:
    """More chats than slots: each finds its history in RAM, and the answers are their own."""
    rig = Rig(slots=1)
    rig.answer("a1", [5] * 40, 10)
    rig.answer("b1", [7] * 40, 10)
    again = rig.answer("a2", turn([5] * 40, 10, [6] * 8), 3)
    assert (again.lookup.matched, again.lookup.source) == (49, CacheSource.RAM)
    assert rig.texts["a2"] == text(turn([5] * 40, 10, [6] * 8), 3)
    assert again.lookup.restore_ns is not None


def test_a_common_cold_prefix_is_computed_once() -> None:
    """Eight prompts that arrive together under one system prompt: its tokens are computed once, the others
    wait and fork.
    """
    rig = Rig(slots=8, max_batch=64)
    prompts = [[*SYSTEM, 20 + user, *[1] * 10] for user in range(8)]
    rig.add(*(sequence(f"u{user}", prompt, 4) for user, prompt in enumerate(prompts)))
    rig.run()
    assert rig.backend.computed <= len(SYSTEM) + 8 * (11 + 4)
    for user, prompt in enumerate(prompts):
        assert rig.texts[f"u{user}"] == text(prompt, 4)
    assert rig.cache.tiers()[1].entries >= 1, "the prefix was shared by way of one copy"


def test_waiting_for_a_prefix_ends_with_whoever_computes_it() -> None:
    """The one that computes the common prefix is cancelled: the others do not wait for it for ever."""
    rig = Rig(slots=4, max_batch=32)
    rig.add(sequence("first", [*SYSTEM, 1], 4), sequence("second", [*SYSTEM, 2], 4))
    rig.step()
    assert [one.id for one in rig.scheduler.waiting] == ["second"]
    rig.cancel("first")
    rig.run()
    assert rig.texts["second"] == text([*SYSTEM, 2], 4)


def test_no_budget_means_no_copies() -> None:
    """With a RAM budget of 0 only the KV remembers; an evicted chat says so, and is answered all the same."""
    rig = Rig(slots=1, ram_bytes=0)
    rig.answer("a1", [5] * 40, 10)
    rig.answer("b1", [7] * 40, 10)
    again = sequence("a2", turn([5] * 40, 10, [6] * 8), 3)
    again.lookup.comparison = Comparison(CacheReason.APPENDED)
    rig.add(again)
    rig.run()
    assert (again.lookup.matched, again.lookup.source, again.lookup.reason) == (
        0,
        CacheSource.NONE,
        CacheReason.EVICTED,
    )
    assert again.lookup.more["lost_tier"] == "kv"
    assert rig.texts["a2"] == text(again.request.prompt, 3)


def test_failed_restore_falls_back_to_prefill() -> None:
    """State that cannot be read back costs a prefill and a count, never the request."""
    rig = Rig(slots=1)
    rig.answer("a1", [5] * 40, 10)
    rig.answer("b1", [7] * 40, 10)
    rig.backend.fail_restores = True
    again = rig.answer("a2", turn([5] * 40, 10, [6] * 8), 3)
    assert again.lookup.matched == 0
    assert rig.placement.states.restore_failures == 1
    assert rig.texts["a2"] == text(again.request.prompt, 3)


def test_unified_kv_keeps_nothing_idle() -> None:
    """Where idle tokens slow running ones, an ended sequence leaves the KV at once and comes back from
    RAM.
    """
    rig = Rig(keeps_idle=False)
    rig.answer("a1", [5] * 40, 10)
    assert all(not held for held in rig.backend.slots.values())
    again = rig.answer("a2", turn([5] * 40, 10, [6] * 8), 3)
    assert again.lookup.source is CacheSource.RAM
    assert again.lookup.matched == 49


def test_pinned_prefix_outlives_others() -> None:
    """Of all entries in a full RAM tier the pinned one stays."""
    rig = Rig(slots=1, ram_bytes=4 * 200)
    rig.answer("pinned", [5] * 40, 2, pinned=True)
    for index in range(10):
        rig.answer(f"other{index}", [20 + index] * 60, 2)
    again = rig.answer("again", [*[5] * 40, 77], 2)
    assert (again.lookup.matched, again.lookup.source) == (40, CacheSource.RAM)


def test_request_without_cache_leaves_nothing() -> None:
    """`cache_prompt: false` neither finds nor stays."""
    rig = Rig(slots=1)
    rig.answer("a1", [5] * 40, 10, cacheable=False)
    assert rig.placement.states.entries == [None]
    again = rig.answer("a2", turn([5] * 40, 10, [6] * 8), 3)
    assert again.lookup.matched == 0


def test_background_waits_for_interactive_and_goes_on_after() -> None:
    """A background request gives its slot away, is not computed beside others, and still ends with its own
    text.
    """
    rig = Rig(slots=1)
    rig.add(sequence("title", [3] * 30, 20, origin=Origin(background=True)))
    for _ in range(5):
        rig.step()
    (sampler,) = rig.backend.opened.values()
    rig.add(sequence("chat", [4] * 30, 10))
    while "chat" not in rig.finished:
        rig.step()
    rig.step()
    assert list(rig.backend.opened.values()) == [sampler], "it goes on with its own random numbers"
    rig.run()
    assert list(rig.finished) == ["chat", "title"]
    assert rig.texts["title"] == text([3] * 30, 20)
    assert rig.texts["chat"] == text([4] * 30, 10)


def test_callers_share_fairly() -> None:
    """One caller with ten requests does not keep another's single one waiting behind all of them."""
    rig = Rig(slots=1)
    rig.add(*(sequence(f"many{index}", [30 + index] * 20, 10, caller="many") for index in range(10)))
    rig.step()
    rig.add(sequence("one", [3] * 20, 10, caller="one"))
    rig.run()
    assert list(rig.finished).index("one") <= 1


chats = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, 60), st.integers(1, 30), st.integers(1, 8)),
    min_size=1,
    max_size=20,
)


@settings(max_examples=200, deadline=None)
@given(chats, st.integers(1, 4), st.sampled_from([0, 300, 1000, 10**6]), st.booleans(), st.data())
def test_any_shared_prefixes_are_served_unmixed(
    load: list[tuple[int, int, int, int]], slots: int, ram_bytes: int, keeps_idle: bool, data: st.DataObject
) -> None:
    """Prompts that share prefixes of any length, cancels, background, pins and tiny budgets: every answer is
    what the prompt alone gives, and slots, tree, bytes and backend agree after each step.
    """
    rig = Rig(slots=slots, n_ctx=256, ram_bytes=ram_bytes, keeps_idle=keeps_idle)
    prompts = {
        f"r{i}": ([first] * shared + [10 + i % 3] * own, count)
        for i, (first, shared, own, count) in enumerate(load)
    }
    for name, (prompt, count) in prompts.items():
        flags = data.draw(st.integers(0, 15))
        origin = Origin(background=flags & 3 == 3)
        rig.add(sequence(name, prompt, count, pinned=flags & 12 == 12, cacheable=flags != 5, origin=origin))
        for _ in range(data.draw(st.integers(0, 6))):
            rig.step()
        if flags == 9:
            rig.cancel(name)
        if flags == 6:
            rig.placement.save_one_idle()
    rig.run()
    for name, (prompt, count) in prompts.items():
        if rig.finished[name].reason == "length":
            assert rig.texts[name] == text(prompt, count), (
                f"{name} was given another's tokens: {next_token(prompt)}"
            )
