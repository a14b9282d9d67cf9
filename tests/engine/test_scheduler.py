"""The scheduler with a fake backend: nobody starves, nothing mixes, every slot comes back."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.events import Phase
from tests.engine.fakes import TOKEN_NS, expected, sequence
from tests.engine.rig import Rig


def text(prompt: list[int], count: int) -> str:
    return "".join(f"<{token}>" for token in expected(prompt, count))


def test_one_sequence_gets_its_tokens_and_frees_its_slot() -> None:
    """A single request runs to its token limit and leaves nothing behind."""
    rig = Rig()
    rig.add(sequence("a", [7] * 10, 5))
    rig.run()
    assert rig.texts["a"] == text([7] * 10, 5)
    assert rig.finished["a"].reason == "length"
    assert rig.finished["a"].completion_tokens == 5
    assert not rig.backend.opened


def test_decode_goes_on_beside_a_long_prompt() -> None:
    """While a long prompt is computed, a running sequence gets a token in every step."""
    rig = Rig(max_stall_tokens=32)
    rig.add(sequence("short", [1] * 4, 100))
    rig.step()
    rig.add(sequence("long", [2] * 400, 4))
    while "long" not in rig.finished and "short" not in rig.finished:
        batch = rig.step()
        assert any(not part.prefill for part in batch.parts)


def test_a_step_beside_running_sequences_keeps_its_time_budget() -> None:
    """On the fake clock, where each token costs the same, no step with decodes lasts longer than the stall
    limit.
    """
    rig = Rig(max_stall_tokens=32)
    rig.add(sequence("short", [1] * 4, 200))
    rig.step()
    rig.add(sequence("long", [2] * 400, 4))
    while "long" not in rig.finished:
        before_ns = rig.now_ns
        batch = rig.step()
        if batch.decode_tokens:
            assert rig.now_ns - before_ns <= 33 * TOKEN_NS


def test_short_prompts_overtake_a_long_one_that_still_advances() -> None:
    """Prompts take turns: the short one is done first, and the oldest gets half of all tokens meanwhile."""
    rig = Rig(max_stall_tokens=32)
    rig.add(sequence("long", [1] * 400, 1), sequence("short", [2] * 160, 1))
    shares = {0: 0, 1: 0}
    for _ in range(4):
        for part in rig.step().parts:
            shares[part.slot] += len(part.tokens)
    assert shares[0] >= sum(shares.values()) / 2 - 64, "a turn may be owed"
    rig.run()
    assert list(rig.finished) == ["short", "long"]


def test_stop_string_ends_and_is_not_shown() -> None:
    """The text before a stop string is all that comes out, though the stop string spans tokens."""
    rig = Rig()
    rig.add(sequence("a", [3] * 5, 50, stop=("><3007",)))
    rig.run()
    assert rig.texts["a"] == "<3005><3006"
    assert rig.finished["a"].reason == "stop"


def test_answer_ends_where_the_context_does() -> None:
    """A sequence never outgrows its context; it ends with `length`."""
    rig = Rig(n_ctx=32)
    rig.add(sequence("a", [3] * 30, 100))
    rig.run()
    assert rig.finished["a"].completion_tokens == 2
    assert rig.finished["a"].reason == "length"


def test_a_batch_that_fails_costs_its_largest_part() -> None:
    """Of a prompt beside two streams only the prompt ends with an error; the streams go on as if nothing
    had been.
    """
    rig = Rig()
    rig.add(sequence("a", [1] * 5, 30), sequence("b", [2] * 9, 30))
    for _ in range(3):
        rig.step()
    rig.add(sequence("long", [3] * 60, 5))
    rig.backend.fail_next = True
    rig.run()
    assert rig.finished["long"].reason == "error"
    assert (rig.texts["a"], rig.texts["b"]) == (text([1] * 5, 30), text([2] * 9, 30))


def test_of_equal_parts_the_newest_is_refused() -> None:
    """Streams that only decode: the one that came last ends with an error."""
    rig = Rig()
    rig.add(sequence("old", [1] * 5, 30))
    rig.step()
    rig.add(sequence("new", [2] * 5, 30))
    rig.step()
    rig.step()
    rig.backend.fail_next = True
    rig.run()
    assert (rig.finished["old"].reason, rig.finished["new"].reason) == ("length", "error")
    assert rig.texts["old"] == text([1] * 5, 30)


def test_a_failed_batch_of_one_ends_it_only() -> None:
    """A sequence whose batch cannot be computed ends with an error; what waits is served afterwards."""
    rig = Rig(slots=1)
    rig.add(sequence("a", [1] * 5, 3), sequence("b", [2] * 5, 3))
    rig.backend.fail_next = True
    rig.run()
    assert rig.finished["a"].reason == "error"
    assert "told to fail" in rig.finished["a"].message
    assert rig.texts["b"] == text([2] * 5, 3)


def test_queue_phase_names_position_and_holders() -> None:
    """A request that finds all slots taken is told its place and whom it waits for; one that does not wait
    is not.
    """
    rig = Rig(slots=1)
    rig.add(sequence("a", [1] * 5, 3), sequence("b", [2] * 5, 3))
    rig.step()
    rig.add(sequence("c", [3] * 5, 3))
    rig.run()
    queues = {started.id: started.timings[1] for started in rig.scheduler.started}
    assert queues["a"].attributes == {"position": 0, "depth": 0}
    assert queues["c"].attributes == {"position": 2, "depth": 1, "reason": "slots", "holders": "a"}
    assert queues["c"].end_ns > queues["c"].start_ns


def test_a_prompt_in_a_slot_waits_in_no_queue() -> None:
    """Every request that has a slot is told as started, also those whose prompts get nothing of the first
    steps: what they wait for then is other prompts, and those are blamed.
    """
    rig = Rig(slots=3, max_batch=16)
    rig.add(
        sequence("a", [1] * 100, 2),
        sequence("b", [2] * 100, 2),
        sequence("c", [3] * 100, 2),
        sequence("waits", [4] * 100, 2),
    )
    batch = rig.step()
    assert len(batch.parts) < 3
    assert (
        {started.id for started in rig.scheduler.started}
        == {one.id for one in rig.scheduler.running}
        == {"a", "b", "c"}
    )
    rig.run()
    for name in ("a", "b", "c"):
        queue = next(told.timings[-1] for told in rig.scheduler.started if told.id == name)
        prefill = rig.finished[name].timings[0]
        assert (queue.start_ns, queue.end_ns, prefill.start_ns) == (0, 0, 0)
    late = max(("a", "b", "c"), key=lambda name: rig.finished[name].timings[0].end_ns)
    assert {delay.other for delay in rig.finished[late].delayed_by} >= {"a", "b", "c"} - {late}


def test_timings_follow_each_other() -> None:
    """Prefill ends where decode begins: at the first sampled token; chunks lie within prefill and add up
    to the prompt.
    """
    rig = Rig(max_batch=16)
    rig.add(sequence("a", [1] * 40, 5))
    rig.run()
    prefill, decode = rig.finished["a"].timings
    assert prefill.phase == Phase.PREFILL
    assert prefill.end_ns == decode.start_ns == rig.finished["a"].first_token_ns
    assert sum(chunk.tokens for chunk in rig.finished["a"].chunks) == 40
    assert len(rig.finished["a"].gaps_us) == 4


requests = st.lists(
    st.tuples(st.integers(1, 120), st.integers(1, 20), st.integers(0, 30)), min_size=1, max_size=25
)


@settings(max_examples=150, deadline=None)
@given(requests, st.integers(1, 5), st.integers(8, 64), st.data())
def test_any_load_is_served_unmixed(
    load: list[tuple[int, int, int]], slots: int, max_batch: int, data: st.DataObject
) -> None:
    """Whatever arrives and is cancelled whenever, and steps that fail: each request that is neither cancelled
    nor refused gets exactly its own tokens, all of them; a step that fails costs one request; budgets are
    kept; slots and backend agree after every step; nothing is left at the end.
    """
    rig = Rig(slots=slots, n_ctx=256, max_batch=max_batch)
    waiting = [
        (f"r{index}", [index + 1] * size, count, turn) for index, (size, count, turn) in enumerate(load)
    ]
    cancelled = set(data.draw(st.lists(st.sampled_from([name for name, *_ in waiting]), max_size=5)))
    failing = data.draw(st.sets(st.integers(0, 60), max_size=4))
    turn = 0
    while waiting or not rig.scheduler.idle:
        for name, prompt, count, due in list(waiting):
            if due <= turn:
                rig.add(sequence(name, prompt, count))
                waiting.remove((name, prompt, count, due))
        if turn % 3 == 2 and cancelled:
            rig.cancel(sorted(cancelled)[turn % len(cancelled)])
        rig.backend.fail_next = turn in failing
        batch = rig.step()
        assert batch.prefill_tokens + batch.decode_tokens <= max_batch
        turn += 1
        assert turn < 5000, "a sequence starves"
    for index, (size, count, _) in enumerate(load):
        name, prompt = f"r{index}", [index + 1] * size
        finished = rig.finished[name]
        if finished.reason == "length":
            assert rig.texts[name] == text(prompt, count)
        elif finished.reason == "cancelled":
            assert name in cancelled
        assert finished.reason in ("length", "cancelled", "error")
        assert text(prompt, count).startswith(rig.texts[name])
    assert sum(finished.reason == "error" for finished in rig.finished.values()) <= len(failing)
    assert not rig.backend.opened


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 100), min_size=1, max_size=10), st.integers(8, 32))
def test_the_oldest_prompt_gets_its_half(sizes: list[int], max_batch: int) -> None:
    """Under a constant stream of short prompts, the oldest prompt gets half of all tokens that are
    computed for prompts.
    """
    rig = Rig(slots=4, max_batch=max_batch, max_stall_tokens=max_batch)
    rig.add(sequence("old", [99] * 400, 1))
    for index, size in enumerate(sizes):
        rig.add(sequence(f"s{index}", [index + 1] * size, 1))
    own = total = 0
    while "old" not in rig.finished:
        before = next(
            (running.progress.prefilled for running in rig.scheduler.running if running.id == "old"), 0
        )
        total += rig.step().prefill_tokens
        own += (
            next(
                (running.progress.prefilled for running in rig.scheduler.running if running.id == "old"), 400
            )
            - before
        )
        assert own >= total / 2 - 2 * max_batch
