"""Who held up whom, on the fake clock, where every token of a step takes a millisecond."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.cache.entry import Origin
from gateway.engine.delays import MAX_KEPT, MAX_TOLD, Delays
from gateway.engine.protocol import DelayTotal
from telemetry.events import DelayCause, Phase
from tests.engine.fakes import TOKEN_NS, sequence
from tests.engine.rig import Rig


def top(rig: Rig, name: str) -> dict[tuple[str, str], DelayTotal]:
    return {(delay.cause.value, delay.other): delay for delay in rig.finished[name].delayed_by}


def mirrored(rig: Rig, name: str) -> dict[tuple[str, str], DelayTotal]:
    return {(delay.cause.value, delay.other): delay for delay in rig.finished[name].delayed}


def queued_ns(rig: Rig, name: str) -> int:
    timings = next(started.timings for started in rig.scheduler.started if started.id == name)
    return next(timing.end_ns - timing.start_ns for timing in timings if timing.phase == Phase.QUEUE)


def test_a_prompt_is_blamed_for_what_it_takes_from_running_streams() -> None:
    """A stream that decodes beside a long prompt lost what the prompt's tokens took; both say so, and how
    long the worst was.
    """
    rig = Rig(max_stall_tokens=33)
    rig.add(sequence("stream", [1] * 4, 100))
    for _ in range(60):  # the average of a plain step is a token's time by now
        rig.step()
    arrived_ns = rig.now_ns
    rig.add(sequence("long", [2] * 320, 4))
    rig.run()
    lost = top(rig, "stream")["prefill", "long"]
    assert abs(lost.total_ns - 320 * TOKEN_NS) < 5 * TOKEN_NS
    assert abs(lost.longest_ns - 32 * TOKEN_NS) < TOKEN_NS
    assert lost.times == 10
    assert lost.longest_at_ns >= arrived_ns
    assert mirrored(rig, "long")["prefill", "stream"].total_ns == lost.total_ns
    assert not top(rig, "long")


def test_prompts_share_the_blame_by_tokens() -> None:
    """Two prompts in the same steps hold each other up, each by its own tokens."""
    rig = Rig()
    rig.add(sequence("a", [1] * 200, 1), sequence("b", [2] * 40, 1))
    while "b" not in rig.finished:
        rig.step()
    took_ns = rig.now_ns
    rig.run()
    assert top(rig, "a")["prefill", "b"].total_ns == 40 * TOKEN_NS
    assert top(rig, "b")["prefill", "a"].total_ns == took_ns - 40 * TOKEN_NS


def test_a_prompt_that_waits_for_its_share_lost_it_to_the_prompts() -> None:
    """While one prompt has the whole budget, the other lost what that took, and nothing to a stream that
    only decodes.
    """
    rig = Rig(max_stall_tokens=33)
    rig.add(sequence("stream", [1] * 4, 200))
    for _ in range(60):
        rig.step()
    rig.add(sequence("a", [2] * 320, 4), sequence("b", [3] * 320, 4))
    rig.run()
    lost = top(rig, "b")
    assert {cause for cause, _ in lost} == {"prefill"}
    assert abs(lost["prefill", "a"].total_ns - 320 * TOKEN_NS) < 5 * TOKEN_NS
    assert ("prefill", "stream") not in lost


def test_holders_of_slots_are_blamed_for_the_wait() -> None:
    """Exactly the time that somebody else had the slot, one after the other; it adds up to the time in the
    queue.
    """
    rig = Rig(slots=1)
    rig.add(sequence("a", [1] * 10, 20), sequence("b", [2] * 10, 20), sequence("c", [3] * 10, 2))
    rig.run()
    waits = top(rig, "c")
    assert set(waits) == {("slots", "a"), ("slots", "b")}
    assert sum(delay.total_ns for delay in waits.values()) == queued_ns(rig, "c")
    assert mirrored(rig, "a")["slots", "c"].total_ns == waits["slots", "a"].total_ns


def test_a_common_prefix_is_waited_for() -> None:
    """Of two prompts that begin alike, the second waits for the first to compute that, and says for whom."""
    rig = Rig(max_batch=32)
    rig.add(sequence("first", [1] * 200 + [2], 3), sequence("second", [1] * 200 + [3], 3))
    rig.run()
    waited = top(rig, "second")["kv", "first"]
    assert 100 * TOKEN_NS < waited.total_ns == queued_ns(rig, "second")


def test_other_adapters_take_turns() -> None:
    """While one adapter computes, sequences of another wait for their turn, and say for whose."""
    rig = Rig()
    rig.add(sequence("plain", [1] * 4, 100), sequence("sql", [2] * 4, 100, adapter="sql", namespace="sql"))
    rig.run()
    assert top(rig, "plain")["turn", "sql"].total_ns > 10 * TOKEN_NS
    assert top(rig, "sql")["turn", "plain"].total_ns > 10 * TOKEN_NS


def test_a_background_request_says_whom_it_let_pass() -> None:
    """It gives up its slot, and the time until it goes on is told once."""
    rig = Rig(slots=1)
    rig.add(sequence("title", [1] * 8, 40, origin=Origin(background=True)))
    rig.step()
    rig.step()
    began_ns = rig.now_ns
    rig.add(sequence("chat", [2] * 8, 30))
    while "chat" not in rig.finished:
        rig.step()
    took_ns = rig.now_ns - began_ns
    rig.run()
    passed = top(rig, "title")["turn", "chat"]
    assert 0.9 * took_ns <= passed.total_ns <= took_ns


def test_nobody_is_blamed_for_decoding_beside_others() -> None:
    """Sequences that only decode together hold nobody up."""
    rig = Rig()
    rig.add(sequence("a", [1], 30), sequence("b", [2], 30))
    rig.run()
    assert not [cause for cause, _ in top(rig, "a") if cause != "prefill"]
    assert sum(delay.total_ns for delay in top(rig, "a").values()) <= 2 * TOKEN_NS


@given(
    st.lists(st.tuples(st.integers(1, 120), st.integers(1, 20), st.integers(0, 30)), min_size=2, max_size=20),
    st.integers(1, 4),
)
def test_any_load_adds_up(load: list[tuple[int, int, int]], slots: int) -> None:
    """Whatever arrives: nobody lost more to one other than the time both were there, and what is told in one
    direction is told in the other, unless the other had ended before.
    """
    rig = Rig(slots=slots, n_ctx=256)
    waiting = {f"r{index}": one for index, one in enumerate(load)}
    arrived: dict[str, int] = {}
    ended: dict[str, int] = {}
    turn = 0
    while waiting or not rig.scheduler.idle:
        for name in [name for name, (_, _, due) in waiting.items() if due <= turn]:
            size, count, _ = waiting.pop(name)
            arrived[name] = rig.now_ns
            rig.add(sequence(name, [int(name[1:]) + 1] * size, count))
        rig.step()
        ended |= {name: rig.now_ns for name in rig.finished if name not in ended}
        turn += 1
    for name in rig.finished:
        for (cause, other), delay in top(rig, name).items():
            both_ns = min(ended[name], ended[other]) - max(arrived[name], arrived[other])
            assert 0 < delay.longest_ns <= delay.total_ns <= both_ns
            if len(rig.finished[other].delayed) < MAX_TOLD and cause != DelayCause.SLOTS:
                assert mirrored(rig, other)[cause, name].total_ns == delay.total_ns


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 10**9)), max_size=400))
def test_few_are_kept(notes: list[tuple[int, int]]) -> None:
    """However many others there are, few are kept and fewer told, largest first, none below a millisecond."""
    delays = Delays()
    for other, ns in notes:
        delays.add(DelayCause.PREFILL, str(other), ns, 0)
    assert len(delays._kept) <= MAX_KEPT
    totals = [delay.total_ns for delay in delays.top()]
    assert len(totals) <= MAX_TOLD
    assert totals == sorted(totals, reverse=True)
    assert all(total >= 1_000_000 for total in totals)
