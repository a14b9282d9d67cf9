"""Percentiles, ratios and bounds of the benchmark."""

import pytest

from bench.chats import Conversation, Held
from bench.client import Turn
from bench.comparison import Comparison, Row
from bench.figures import percentile
from bench.returning_chats import CHATS, TURNS, shuffled


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1.0), (0.5, 2.5), (0.95, 3.85), (1.0, 4.0)])
def test_percentile_is_linear_between_values(share: float, expected: float) -> None:
    """As numpy does by default."""
    assert percentile([4.0, 1.0, 3.0, 2.0], share) == pytest.approx(expected)


def test_ratio_is_the_median_over_rounds_and_not_of_medians() -> None:
    """One round in which the machine was busy for one side does not decide."""
    row = Row("TTFT", "ms", [10, 20, 900], [20, 40, 30], most=0.5)
    assert row.ratio == 0.5
    assert row.holds


def test_failure_names_what_missed_its_bound() -> None:
    """Rows that hold, or that promise nothing, are not in it."""
    rows = [
        Row("slow", "ms", [3.0], [1.0], most=2),
        Row("fine", "ms", [3.0], [1.0], least=2),
        Row("seen", "ms", [3.0]),
    ]
    assert Comparison("name", "about", rows).failure == "name: slow is 3, must be at most 2"
    assert not Comparison("name", "about", not_measured="no peer").failure


def test_a_row_without_other_side_is_judged_by_its_own_figure() -> None:
    """For instance a cached share in percent."""
    assert not Row("cached", "%", [95.0, 95.0, 99.0], least=96).holds


def test_cached_share_counts_what_the_turn_before_left() -> None:
    """The first turn can have nothing cached; the token sampled last was never computed."""
    turns = [Turn(1, [1.0], "a", 10, 0, 6), Turn(1, [1.0], "b", 30, 12, 6)]
    assert Conversation(1.0, [Held(0, 2, turns[1]), Held(0, 1, turns[0])]).cached_share == pytest.approx(
        12 / 15
    )


def test_turn_figures() -> None:
    """Decode leaves the first token out; the longest gap is between chunks."""
    turn = Turn(500, [100.0, 110.0, 300.0], "abc", 5, 0, 3)
    assert (turn.ttft_ms, turn.longest_gap_ms, turn.decode_tps) == (100.0, 190.0, 10.0)


def test_the_random_order_holds_every_turn_once_and_repeats_by_salt() -> None:
    """Both sides of a round get the same order."""
    assert sorted(shuffled("a")) == sorted([*range(CHATS)] * TURNS)
    assert shuffled("a") == shuffled("a") != shuffled("b")
