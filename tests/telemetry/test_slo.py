"""Objectives: budgets, burn rates and states."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.slo import BURN_MINUTES, NOTHING, Counts, Objective, State, burn, report, state_of

totals = st.integers(1, 10**6)
objectives = st.floats(0.5, 0.9999).map(lambda share: Objective("availability", share))


@given(objectives, totals, st.data())
def test_budget_and_burn(objective: Objective, total: int, data: st.DataObject) -> None:
    """Good at exactly the objective's share burns at 1 and leaves nothing; better burns slower, worse
    faster.
    """
    bad = data.draw(st.integers(0, total))
    rate = burn(objective, Counts(total, bad))
    assert rate is not None
    assert rate == pytest.approx(bad / total / (1 - objective.share), abs=1e-8)
    found = report(objective, 30, {}, Counts(total, bad))
    assert found.budget_left is not None
    assert found.budget_left == pytest.approx(1 - rate, abs=1e-8)
    assert (rate > 1) == (found.budget_left < 0) or rate == pytest.approx(1)


def test_exactly_as_fast_as_a_limit_is_not_over_it() -> None:
    """Six times as fast as allowed reads 6 and is no slow burn, whatever the rounding of 0.6 / 0.1."""
    found = report(Objective("ttft", 0.9, 30), 30, dict.fromkeys(BURN_MINUTES, Counts(10, 6)), Counts(10, 6))
    assert (set(found.burns.values()), found.state) == ({6.0}, State.USED_UP)


@given(
    st.dictionaries(st.sampled_from(BURN_MINUTES), st.one_of(st.none(), st.floats(0, 100)), max_size=4),
    st.one_of(st.none(), st.floats(-100, 1)),
)
def test_states_need_both_windows(burns: dict[int, float | None], left: float | None) -> None:
    """Fast: over 14.4 in an hour and in 5 minutes; slow: over 6 in 6 hours and in 30 minutes; else nothing
    burns, and the budget is used up or there is some left.
    """

    def over(minutes: int, factor: float) -> bool:
        rate = burns.get(minutes)
        return rate is not None and rate > factor

    fast, slow = over(60, 14.4) and over(5, 14.4), over(360, 6) and over(30, 6)
    calm = State.OK if left is None or left > 0 else State.USED_UP
    assert state_of(burns, left) is (State.FAST_BURN if fast else State.SLOW_BURN if slow else calm)


@pytest.mark.parametrize("share", [0.9, 0.95, 0.99, 0.999])
def test_a_budget_spent_to_the_last_request_is_used_up(share: float) -> None:
    """Nothing is left, exactly: no rest of a rounding."""
    total = round(1 / (1 - share))
    found = report(Objective("availability", share), 30, {}, Counts(total, 1))
    assert (found.budget_left, found.state) == (0, State.USED_UP)


def test_nothing_asked_is_not_measured() -> None:
    """Without requests there is no share, no rate and no budget, and nothing burns."""
    found = report(Objective("ttft", 0.95, 2500), 30, dict.fromkeys(BURN_MINUTES, NOTHING), NOTHING)
    assert (found.budget_left, set(found.burns.values()), found.state) == (None, {None}, State.OK)
    assert found.counts is not None
    assert found.counts.good_share is None
