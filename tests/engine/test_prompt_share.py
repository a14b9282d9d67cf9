"""How a step's budget is divided among prompts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.schedule.prompt_share import PromptShare
from gateway.engine.sequence.sequence import Sequence
from tests.engine.fakes import sequence

ROWS = 64


def prompts(*sizes: int) -> list[Sequence]:
    """The first is the oldest."""
    return [
        sequence(str(number), list(range(size)), 1, queued_ns=number) for number, size in enumerate(sizes)
    ]


def compute(waiting: list[Sequence], share: PromptShare, budget: int, rows: int = ROWS) -> list[str]:
    """One step; returns whose tokens it had."""
    given = share.divide([one for one in waiting if one.progress.remaining], budget, rows)
    for one, tokens in given:
        one.progress.n_computed += tokens
    return [one.id for one, _ in given]


def test_a_short_prompt_goes_first_and_the_oldest_has_every_other_turn() -> None:
    """A budget of one piece: turns, and no piece that is too small."""
    waiting = prompts(640, 320)
    share = PromptShare()
    turns = [compute(waiting, share, 64) for _ in range(9)]
    assert turns == [["1"], ["1"], ["0"], ["1"], ["0"], ["1"], ["0"], ["1"], ["0"]]


def test_what_is_left_goes_on_where_it_is_enough() -> None:
    """A prompt that ends leaves room for a whole piece of the next, or for one that is short."""
    share = PromptShare()
    assert [(one.id, tokens) for one, tokens in share.divide(prompts(600, 40), 130, ROWS)] == [
        ("1", 40),
        ("0", 90),
    ]
    assert [(one.id, tokens) for one, tokens in share.divide(prompts(600, 40), 64, ROWS)] == [("1", 40)]
    assert [(one.id, tokens) for one, tokens in share.divide(prompts(10, 40), 64, ROWS)] == [
        ("0", 10),
        ("1", 40),
    ]
    assert [(one.id, tokens) for one, tokens in share.divide(prompts(600, 40), 64, 0)] == [
        ("1", 40),
        ("0", 24),
    ]


@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=12), st.integers(1, 200), st.sampled_from([0, ROWS])
)
def test_everything_is_computed_within_the_budget(sizes: list[int], budget: int, rows: int) -> None:
    """Every step computes something and never too much; all prompts end."""
    waiting, share = prompts(*sizes), PromptShare()
    for _ in range(sum(sizes)):
        before = sum(one.progress.remaining for one in waiting)
        if not before:
            return
        compute(waiting, share, budget, rows)
        assert 0 < before - sum(one.progress.remaining for one in waiting) <= budget


@given(st.integers(64, 600), st.integers(16, 130), st.integers(5, 120))
def test_an_endless_row_of_short_prompts_leaves_the_oldest_its_half(
    size: int, budget: int, short: int
) -> None:
    """However many come after it."""
    share = PromptShare()
    oldest, *_ = waiting = prompts(size)
    computed = 0
    for number in range(1, 1000):
        if not oldest.progress.remaining:
            break
        waiting = [one for one in waiting if one.progress.remaining]
        while len(waiting) < 4:
            waiting.append(sequence(f"s{number}-{len(waiting)}", list(range(short)), 1, queued_ns=number))
        before = sum(one.progress.remaining for one in waiting)
        compute(waiting, share, budget)
        computed += before - sum(one.progress.remaining for one in waiting)
    assert not oldest.progress.remaining
    assert computed <= 2 * size + 4 * budget + 2 * short
