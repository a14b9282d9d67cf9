"""How many tokens are drafted, and for which requests: what is chosen pays, by what drafts cost and how often
they are right.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.schedule.pace import Pace
from gateway.engine.speculative.choice import (
    AcceptanceRate,
    DraftCandidate,
    DraftCosts,
    PlannedStep,
    RequestDrafts,
    choose,
)
from gateway.engine.speculative.prompt_lookup import MARGIN


def test_a_request_that_drafts_badly_stops_by_itself() -> None:
    """The rate of one request falls, though others go on to be right."""
    engine, one = AcceptanceRate(), RequestDrafts(0.8)
    for _ in range(20):
        one.learn(4, 0, engine)
    good = RequestDrafts(0.8)
    for _ in range(20):
        good.learn(4, 4, engine)
    assert one.rate < 0.15
    assert good.rate > 0.9


chances = st.lists(st.floats(0, 1), min_size=1, max_size=8).map(lambda found: sorted(found, reverse=True))
costs = st.builds(DraftCosts, *[st.floats(1, 5e7)] * 3)
paces = st.builds(
    Pace,
    st.floats(1e3, 1e7),
    st.integers(10**6, 10**9),
    st.just(512),
    decode_step_ns=st.floats(1e5, 1e9),
    draft_token_ns=st.floats(1, 1e8),
    draft_step_ns=st.floats(1, 1e8),
)


@given(chances, paces, costs, st.integers(0, 8), st.integers(0, 32), st.integers(1, 16), st.integers(0, 4))
def test_what_is_chosen_pays(
    chances: list[float],
    pace: Pace,
    costs: DraftCosts,
    others: int,
    verified: int,
    most: int,
    missing_tokens: int,
) -> None:
    """By the costs that are known it gives more tokens per second than none, within the time limit of a step;
    and nothing is chosen from drafts that are never right.
    """
    decoding = len(chances) + others
    choice = choose(
        [DraftCandidate(one, missing_tokens) for one in chances],
        PlannedStep(decoding, verified, most),
        pace,
        costs,
    )
    assert 0 <= choice.length <= most
    assert 0 <= choice.sequences <= len(chances)
    assert bool(choice.length) == bool(choice.sequences)
    if choice.length:
        gained = sum(chance**k for chance in chances[: choice.sequences] for k in range(1, choice.length + 1))
        rows = verified + choice.length * choice.sequences
        step_ns = pace.decode_step_ns + pace.draft_ns(rows) + choice.length * costs.of_round(choice.sequences)
        step_ns += choice.sequences * missing_tokens * costs.row_ns
        plain_ns = pace.decode_step_ns + (pace.draft_ns(verified) if verified else 0)
        assert step_ns <= pace.max_stall_ns
        assert (decoding + gained) / step_ns > 0.999 * MARGIN * decoding / plain_ns
        assert choice.gained == pytest.approx(gained)
        assert choice.step_ns == pytest.approx(step_ns)
        assert chances[0] > 0


@given(st.floats(0, 1), st.integers(1, 40), st.integers(1, 60))
def test_lengths_follow_the_chance(chance: float, round_tokens: int, step_tokens: int) -> None:
    """A better chance never makes drafts shorter."""
    pace = Pace(1e6, 10**12, 512, decode_step_ns=step_tokens * 1e6, draft_token_ns=1e6, draft_step_ns=1e6)
    costs = DraftCosts(round_tokens * 1e5, 1e5, 1e5)
    lengths = [
        choose([DraftCandidate(one)], PlannedStep(1, 0, 16), pace, costs).length
        for one in (chance / 2, chance, (1 + chance) / 2)
    ]
    assert lengths == sorted(lengths)


def test_costs_follow_what_is_measured_and_come_back() -> None:
    """Rounds that take twice as long are known to after some; without drafting that is forgotten again."""
    costs = DraftCosts(2e6, 1e6, 5e5)
    for _ in range(40):
        costs.learn_round(12_000_000, 4)
        costs.learn_catching_up(200_000_000, 100)
    assert costs.of_round(4) == pytest.approx(12e6, rel=0.05)
    assert costs.token_ns == pytest.approx(2e6, rel=0.05)
    for _ in range(500):
        costs.forget()
    assert costs.of_round(4) == pytest.approx(6e6, rel=0.05)
