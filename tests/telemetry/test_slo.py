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
    """Good at exactly the objective's share burns at 1 and leaves nothing; better burns slower, worse faster."""
    bad = data.draw(st.integers(0, total))
    rate = burn(objective, Counts(total, bad))
    assert rate is not None
    assert rate == pytest.approx(bad / total / (1 - objective.share))
    found = report(objective, 30, {}, Counts(total, bad))
    assert found.budget_left == pytest.approx(1 - rate)
    assert (rate > 1) == (found.budget_left < 0) or rate == pytest.approx(1)


@given(st.dictionaries(st.sampled_from(BURN_MINUTES), st.one_of(st.none(), st.floats(0, 100)), max_size=4))
def test_states_need_both_windows(burns: dict[int, float | None]) -> None:
    """Fast: over 14.4 in an hour and in 5 minutes; slow: over 6 in 6 hours and in 30 minutes; else nothing burns."""

    def over(minutes: int, factor: float) -> bool:
        rate = burns.get(minutes)
        return rate is not None and rate > factor

    fast, slow = over(60, 14.4) and over(5, 14.4), over(360, 6) and over(30, 6)
    assert state_of(burns) is (State.FAST_BURN if fast else State.SLOW_BURN if slow else State.OK)


def test_nothing_asked_is_not_measured() -> None:
    """Without requests there is no share, no rate and no budget, and nothing burns."""
    found = report(Objective("ttft", 0.95, 2500), 30, dict.fromkeys(BURN_MINUTES, NOTHING), NOTHING)
    assert (found.budget_left, set(found.burns.values()), found.state) == (None, {None}, State.OK)
    assert found.counts is not None
    assert found.counts.good_share is None
