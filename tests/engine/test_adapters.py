"""LoRA adapters: one per batch, in turns, and never another one's state."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.schedule.adapter_turns import TURN_NS, AdapterTurns
from tests.engine.fakes import ADAPTERS, expected, sequence
from tests.engine.rig import Rig

requests = st.lists(
    st.tuples(
        st.sampled_from(ADAPTERS),
        st.integers(1, 4),
        st.integers(20, 90),
        st.integers(1, 12),
        st.integers(0, 20),
    ),
    min_size=1,
    max_size=15,
)


@given(requests, st.integers(1, 4), st.booleans())
def test_adapters_never_mix(load: list[tuple[str, int, int, int, int]], slots: int, keeps_idle: bool) -> None:
    """Same prompts under different adapters, with the cache on: every token of a slot was computed with the
    sequence's own adapter (the fake checks each batch), and each request gets its own answer.
    """
    rig = Rig(slots=slots, n_ctx=256, keeps_idle=keeps_idle)
    waiting = list(enumerate(load))
    turn = 0
    while waiting or not rig.scheduler.idle:
        for item in list(waiting):
            index, (adapter, first, size, count, due) = item
            if due <= turn:
                rig.add(sequence(f"r{index}", [first] * size, count, adapter=adapter, namespace=adapter))
                waiting.remove(item)
        rig.step()
        turn += 1
        assert turn < 5000, "a sequence starves"
    for index, (_, first, size, count, _) in enumerate(load):
        assert rig.texts[f"r{index}"] == "".join(f"<{token}>" for token in expected([first] * size, count))


def test_the_cache_of_another_adapter_is_not_used() -> None:
    """The same prompt again is a hit with the same adapter, and none with another one, which is said."""
    rig = Rig()
    prompt = [3] * 100
    rig.answer("a", prompt, 2, adapter="sql", namespace="sql")
    other = rig.answer("b", prompt, 2, adapter="law", namespace="law")
    same = rig.answer("c", prompt, 2, adapter="sql", namespace="sql")
    assert (other.lookup.matched, other.lookup.reason) == (0, "adapter_changed")
    assert same.lookup.matched > 90


@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from(ADAPTERS), min_size=1), st.integers(1, TURN_NS)),
        min_size=1,
        max_size=60,
    )
)
def test_turns(steps: list[tuple[set[str], int]]) -> None:
    """What is chosen is wanted; it changes only after a turn or when it is wanted no more; nobody waits for
    more than the turns of all others.
    """
    turns, now_ns, last, since_ns = AdapterTurns(), 0, "", 0
    waiting_ns = dict.fromkeys(ADAPTERS, 0)
    for wanted, took_ns in steps:
        chosen = turns.choose(wanted, now_ns)
        assert chosen in wanted
        if chosen != last and last in wanted:
            assert now_ns - since_ns >= TURN_NS
        if chosen != last:
            last, since_ns = chosen, now_ns
        now_ns += took_ns
        for adapter in ADAPTERS:
            waiting_ns[adapter] = (
                waiting_ns[adapter] + took_ns if adapter in wanted and adapter != chosen else 0
            )
        assert max(waiting_ns.values()) <= 2 * TURN_NS * len(ADAPTERS)
