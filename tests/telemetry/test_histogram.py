"""The log histograms behind every percentile."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.histogram import (
    NO_BUCKETS,
    RESOLUTION,
    Buckets,
    bucket_of,
    buckets_of,
    count,
    merge,
    percentile,
    percentiles,
)


def edge(bucket: int) -> float:
    """The smallest value of a bucket, or one just below."""
    return float(2 ** (bucket / RESOLUTION))


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


@given(
    st.lists(
        st.floats(-10, 1e12)
        | st.integers(-3, 40).map(lambda power: 2.0**power)
        | st.integers(0, 2000).map(edge)
    )
)
def test_many_values_have_the_buckets_that_each_has(numbers: list[float]) -> None:
    """Also at the edges of buckets, where a last bit decides."""
    assert buckets_of(np.array(numbers, dtype=np.float64)).tolist() == [
        bucket_of(number) for number in numbers
    ]


@given(values | st.just([0.0, 0.0, 5.0]), st.lists(st.floats(0, 1), max_size=4), st.integers(-400, 1700))
def test_a_histogram_in_arrays_is_the_same_one(
    numbers: list[float], quantiles: list[float], bucket: int
) -> None:
    """Percentiles, sums and look-ups."""
    counted = count(numbers)
    order = sorted(counted)
    arrays = Buckets(np.array(order), np.array([counted[index] for index in order]))
    assert arrays == counted
    assert arrays.as_dict() == counted
    assert arrays.percentiles(quantiles) == percentiles(counted, quantiles)
    assert (arrays.total, arrays.above(bucket)) == (
        len(numbers),
        sum(n for index, n in counted.items() if index > bucket),
    )
    assert [arrays.get(index, 0) for index in (*order, bucket)] == [
        counted.get(index, 0) for index in (*order, bucket)
    ]


def test_no_buckets() -> None:
    """Nothing in arrays is nothing measured."""
    assert (NO_BUCKETS.percentiles((0.5, 0.9)), NO_BUCKETS.total, NO_BUCKETS.above(3), len(NO_BUCKETS)) == (
        [None, None],
        0,
        0,
        0,
    )
