"""Prompt-lookup decoding with a fake backend: fewer steps where text repeats, none wasted where it does
not, same tokens.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.engine.schedule.pace import Pace
from gateway.engine.speculative.prompt_lookup import INDEXED_PER_STEP, SHORT, PromptLookup
from tests.engine.fakes import expected, sequence
from tests.engine.rig import Rig

PACE = Pace(1e6, 10**9, max_chunk=512, decode_step_ns=1e6)


def text(prompt: list[int], count: int, period: int) -> str:
    return "".join(f"<{token}>" for token in expected(prompt, count, period))


def test_repeating_text_takes_fewer_steps() -> None:
    """Text with a period of 10 tokens is drafted and accepted; the tokens are the same."""
    rig = Rig(period=10, max_batch=64, step_tokens=20)
    one = rig.answer("a", [3] * 5, 200, drafting=True)
    assert rig.texts["a"] == text([3] * 5, 200, 10)
    assert one.progress.steps < 100
    assert one.drafter is not None
    assert one.drafter.tally.accepted == rig.backend.guessed > 100


def test_text_that_never_repeats_is_never_drafted() -> None:
    """Nothing is verified that was not seen before."""
    rig = Rig(period=0)
    one = rig.answer("a", [3] * 5, 200, drafting=True)
    assert one.drafter is not None
    assert one.drafter.tally.drafted == 0


def test_drafting_stops_where_it_does_not_pay() -> None:
    """A drafted token that costs as much as a step is not worth it, however sure."""
    rig = Rig(period=10)
    rig.scheduler.pace.draft_token_ns = rig.scheduler.pace.draft_step_ns = 10.0**9
    one = rig.answer("a", [3] * 5, 100, drafting=True)
    assert one.drafter is not None
    assert one.drafter.tally.drafted == 0


def test_what_waits_has_no_index() -> None:
    """N-grams are noted while a request decodes, a bounded number in each step: not in the queue, not
    while its prompt is computed.
    """
    tokens = list(range(3 * INDEXED_PER_STEP))
    lookup = PromptLookup(tokens)
    assert not any(lookup._follows.values())
    sizes = []
    for _ in range(4):
        lookup.propose(0, PACE, 1)
        sizes.append(len(lookup._follows[SHORT]))
    assert sizes == [
        INDEXED_PER_STEP - SHORT,
        2 * INDEXED_PER_STEP - SHORT,
        *[3 * INDEXED_PER_STEP - SHORT] * 2,
    ]


def test_repetitions_of_a_long_prompt_are_found_when_they_are_indexed() -> None:
    """What was noted in pieces is the same as what is noted at once."""
    tokens = [*range(2 * INDEXED_PER_STEP), 5, 6, 7, 8, 9, 10, 11, 12]
    lookup = PromptLookup(tokens)
    for _ in range(3):
        lookup.propose(4, PACE, 1)
    assert lookup._proposed[:3] == (13, 14, 15)


loads = st.lists(
    st.tuples(st.integers(1, 60), st.integers(1, 80), st.integers(0, 8)), min_size=1, max_size=10
)


@settings(max_examples=100, deadline=None)
@given(loads, st.integers(1, 4), st.sampled_from([2, 5, 9, 30]), st.floats(0.0, 3.0))
def test_drafting_never_changes_an_answer(
    load: list[tuple[int, int, int]], slots: int, period: int, cost: float
) -> None:
    """Whatever repeats, at whatever price: each answer is what it would be without, and the cache holds
    the right tokens.
    """
    rig = Rig(slots=slots, n_ctx=200, period=period, max_batch=64)
    rig.scheduler.pace.draft_token_ns = cost * 1e6 + 1
    for index, (size, count, steps) in enumerate(load):
        rig.add(sequence(f"r{index}", [index % 3 + 1] * size, count, drafting=True))
        for _ in range(steps):
            assert sum(len(part.tokens) for part in rig.step().parts) <= 64
    rig.run()
    for index, (size, count, _) in enumerate(load):
        assert rig.texts[f"r{index}"] == text([index % 3 + 1] * size, count, period)
