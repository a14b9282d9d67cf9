"""Sparse log histograms: mergeable by addition, so a percentile over any window needs no rows.

A value v > 0 falls into bucket floor(log2(v) · 40); the bucket's middle is within 0.87 % of every value in it
(the DDSketch bound, (g - 1) / (g + 1) with g = 2^(1/40); Masson, Rim, Lee, VLDB 2019).
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

RESOLUTION = 40
"""Buckets per doubling."""

ZERO_BUCKET = -(10**6)
"""Where zero and negative values go; its middle is 0."""

_GAMMA = 2 ** (1 / RESOLUTION)


def bucket_of(value: float) -> int:
    """The bucket index of a value (any unit, but always the same one per measure)."""
    return math.floor(math.log2(value) * RESOLUTION) if value > 0 else ZERO_BUCKET


def middle_of(bucket: int) -> float:
    """The value that stands for a bucket: equally far, in relative terms, from both edges."""
    if bucket == ZERO_BUCKET:
        return 0.0
    return float(2 ** (bucket / RESOLUTION) * 2 * _GAMMA / (1 + _GAMMA))


def count(values: Iterable[float]) -> dict[int, int]:
    """Bucket index → how many of `values` fell into it."""
    buckets: dict[int, int] = {}
    for value in values:
        index = bucket_of(value)
        buckets[index] = buckets.get(index, 0) + 1
    return buckets


def merge(into: dict[int, int], other: Mapping[int, int]) -> dict[int, int]:
    """Add `other` to `into` and return it."""
    for index, n in other.items():
        into[index] = into.get(index, 0) + n
    return into


def percentile(buckets: Mapping[int, int], q: float) -> float | None:
    """The q-quantile (0 ≤ q ≤ 1) by nearest rank, or None where nothing was measured."""
    return percentiles(buckets, (q,))[0]


def percentiles(buckets: Mapping[int, int], quantiles: Sequence[float]) -> list[float | None]:
    """Several quantiles at once."""
    order = sorted(buckets)
    upto = list(itertools.accumulate(map(buckets.__getitem__, order)))
    if not upto or not upto[-1]:
        return [None] * len(quantiles)
    ranks = [max(1, math.ceil(q * upto[-1])) for q in quantiles]
    return [middle_of(order[bisect.bisect_left(upto, rank)]) for rank in ranks]
