"""The rank test behind the regression watch."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.histogram import count
from telemetry.regression import MIN_REQUESTS, compare

seeds = st.integers(0, 2**32)


def speeds(rng: random.Random, how_many: int, median: float, spread: float = 0.15) -> dict[int, int]:
    """A log-normal sample, as speeds of requests are."""
    return count(median * rng.lognormvariate(0, spread) for _ in range(how_many))


def test_no_false_alarm_on_the_same_speed() -> None:
    """Of 3,000 comparisons of samples from one distribution none matters (by chance 1 in 10,000 would be
    certain enough).
    """
    rng = random.Random(5)
    shifts = [
        compare(speeds(rng, rng.randint(20, 200), 90.0), speeds(rng, rng.randint(20, 200), 90.0))
        for _ in range(3000)
    ]
    assert [shift for shift in shifts if shift is None or shift.matters(1)] == []


@given(seeds, st.floats(0.01, 1e5))
def test_a_quarter_slower_is_found(seed: int, median: float) -> None:
    """With 60 requests on each side, whatever the unit; and the other way round it is as much faster."""
    rng = random.Random(seed)
    before, after = speeds(rng, 60, median), speeds(rng, 60, median * 0.75)
    slower, faster = compare(before, after), compare(after, before)
    assert slower is not None
    assert faster is not None
    assert slower.matters(4)
    assert slower.ratio < 1 < faster.ratio
    assert slower.p_value == pytest.approx(faster.p_value)


@given(seeds)
def test_a_small_change_is_no_event(seed: int) -> None:
    """However certain: 5 % less is not worth one."""
    rng = random.Random(seed)
    shift = compare(speeds(rng, 2000, 90.0, 0.02), speeds(rng, 2000, 85.5, 0.02))
    assert shift is not None
    assert shift.p_value < 1e-9
    assert not shift.matters(1)


@given(seeds, st.integers(1, 3))
def test_outliers_do_not_decide(seed: int, outliers: int) -> None:
    """A few requests a hundred times slower leave the verdict alone."""
    rng = random.Random(seed)
    before, after = speeds(rng, 80, 90.0), speeds(rng, 80, 90.0)
    for bucket in count([0.9] * outliers):
        after[bucket] = outliers
    shift = compare(before, after)
    assert shift is not None
    assert not shift.matters(1)


def test_too_few_or_nothing() -> None:
    """Below the least number nothing is said; equal values have no variance and no difference."""
    few, many = count([90.0] * (MIN_REQUESTS - 1)), count([90.0] * 50)
    assert compare(few, many) is None
    assert compare(count([0.0] * 50), many) is None
    same = compare(many, many)
    assert same is not None
    assert same.p_value == 1.0
