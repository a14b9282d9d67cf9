"""The log histograms behind every percentile."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.histogram import count, merge, percentile

values = st.lists(st.floats(1e-3, 1e12), min_size=1, max_size=200)


@given(parts=st.lists(values, min_size=1, max_size=4), q=st.floats(0, 1))
def test_a_merged_percentile_is_within_1_percent(parts: list[list[float]], q: float) -> None:
    """Whatever was merged, each quantile is within 1 % of the exact one (nearest rank)."""
    merged: dict[int, int] = {}
    for part in parts:
        merge(merged, count(part))
    exact = sorted(value for part in parts for value in part)
    assert percentile(merged, q) == pytest.approx(exact[max(0, math.ceil(q * len(exact)) - 1)], rel=0.01)


@given(values)
def test_merging_is_counting_together(numbers: list[float]) -> None:
    """The order and the grouping of what is merged do not matter."""
    half = len(numbers) // 2
    assert merge(count(numbers[half:]), count(numbers[:half])) == count(numbers)


def test_nothing_measured() -> None:
    """Of nothing there is no percentile, and 0 is one."""
    assert percentile({}, 0.5) is None
    assert percentile(count([0.0]), 0.5) == 0
