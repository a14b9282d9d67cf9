"""Histograms as bytes: merging them is adding them up."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from telemetry.histogram import ZERO_BUCKET
from telemetry.store.rollups.packed import add_packed, pack

HISTOGRAM = st.dictionaries(st.integers(-5, 2000) | st.just(ZERO_BUCKET), st.integers(1, 2**32 - 1))


@given(st.lists(st.lists(HISTOGRAM, max_size=4), max_size=600))
def test_packed_histograms_add_up(groups: list[list[dict[int, int]]]) -> None:
    """Merging bytes is adding the counts of each bucket, in each group."""
    expected = [dict(sum((Counter(histogram) for histogram in group), Counter())) for group in groups]
    assert list(add_packed([[pack(histogram) for histogram in group] for group in groups])) == expected
