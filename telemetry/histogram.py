"""Sparse log histograms: mergeable by addition, so a percentile over any window needs no rows.

A value v > 0 falls into bucket floor(log2(v) · 40); the bucket's middle is within 0.87 % of every value in it
(the DDSketch bound, (g - 1) / (g + 1) with g = 2^(1/40); Masson, Rim, Lee, VLDB 2019).
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView

import numpy as np
from numpy.typing import NDArray

RESOLUTION = 40
"""Buckets per doubling."""

ZERO_BUCKET = -(10**6)
"""The bucket of zero and negative values; its middle is 0."""

_GAMMA = 2 ** (1 / RESOLUTION)

_NEAR = 1e-9
"""Logarithms this near to a bucket's edge are computed again."""


class Buckets(Mapping[int, int]):
    """A histogram in two arrays: filled buckets, ascending, and
    their counts. Several quantiles of it take microseconds.
    """

    __slots__ = ("buckets", "counts")

    def __init__(self, buckets: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        self.buckets, self.counts = buckets, counts

    def __getitem__(self, bucket: int) -> int:
        at = int(np.searchsorted(self.buckets, bucket))
        if at == len(self.buckets) or self.buckets[at] != bucket:
            raise KeyError(bucket)
        return int(self.counts[at])

    def __iter__(self) -> Iterator[int]:
        return iter(self.buckets.tolist())

    def __len__(self) -> int:
        return len(self.buckets)

    def items(self) -> ItemsView[int, int]:
        """All of it at once."""
        return self.as_dict().items()

    def values(self) -> ValuesView[int]:
        """All counts at once."""
        return self.as_dict().values()

    def as_dict(self) -> dict[int, int]:
        """For many look-ups, which a dictionary answers faster."""
        return dict(zip(self.buckets.tolist(), self.counts.tolist(), strict=True))

    @property
    def total(self) -> int:
        """The number of values."""
        return int(self.counts.sum())

    def above(self, bucket: int) -> int:
        """The number of values in later buckets than this one."""
        return int(self.counts[np.searchsorted(self.buckets, bucket, side="right") :].sum())

    def percentiles(self, quantiles: Sequence[float]) -> list[float | None]:
        """As the function of that name."""
        upto = self.counts.cumsum()
        if not len(upto):
            return [None] * len(quantiles)
        total = int(upto[-1])
        ranks = [max(1, math.ceil(q * total)) for q in quantiles]
        return [middle_of(bucket) for bucket in self.buckets[np.searchsorted(upto, ranks)].tolist()]


NO_BUCKETS = Buckets(np.empty(0, np.int64), np.empty(0, np.int64))


def bucket_of(value: float) -> int:
    """The bucket index of a value (any unit, but always the same one per measure)."""
    return math.floor(math.log2(value) * RESOLUTION) if value > 0 else ZERO_BUCKET


def buckets_of(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bucket index of each value, exactly as `bucket_of`
    has it: numpy's logarithm may differ in its last bit.
    """
    positive = values > 0
    found = np.full(len(values), float(ZERO_BUCKET))
    np.log2(values, out=found, where=positive)
    np.multiply(found, RESOLUTION, out=found, where=positive)
    buckets: NDArray[np.int64] = np.floor(found).astype(np.int64)
    for at in np.flatnonzero(positive & (np.abs(found - np.rint(found)) < _NEAR)):
        buckets[at] = bucket_of(float(values[at]))
    return buckets


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
