"""The regression test, of speeds that differ beyond noise: a rank test on two log histograms; pure.

The Mann-Whitney U test asks nothing of the distributions and is hardly moved by outliers; buckets are ties
(https://en.wikipedia.org/wiki/Mann%E2%80%93Whitney_U_test#Normal_approximation_and_tie_correction).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from telemetry.histogram import percentile

MIN_REQUESTS = 20
"""On each side; below that nothing is said."""

P_LIMIT = 1e-4
"""Of the whole comparison of two configurations, shared among
its parts; small, since it is asked again with every minute.
"""

MIN_CHANGE = 0.10
"""Of the median; a smaller one may be certain and is still not worth an event."""


@dataclass(frozen=True, slots=True)
class MedianShift:
    """Two medians (in the histograms' unit), how many values
    each is of, and the chance that they differ by chance.
    """

    before: float
    after: float
    before_count: int
    after_count: int
    p_value: float

    @property
    def ratio(self) -> float:
        """After ÷ before."""
        return self.after / self.before

    def matters(self, parts: int) -> bool:
        """True where it is beyond noise, as one of so many parts of a comparison."""
        return self.p_value < P_LIMIT / max(1, parts) and abs(math.log(self.ratio)) > math.log(1 + MIN_CHANGE)


def compare(before: Mapping[int, int], after: Mapping[int, int]) -> MedianShift | None:
    """Compare two histograms; None where one has too few values, or none above 0."""
    n, m = sum(before.values()), sum(after.values())
    if min(n, m) < MIN_REQUESTS:
        return None
    medians = percentile(before, 0.5), percentile(after, 0.5)
    if not medians[0] or not medians[1]:
        return None
    return MedianShift(medians[0], medians[1], n, m, _p_value(before, after, n, m))


def _p_value(before: Mapping[int, int], after: Mapping[int, int], n: int, m: int) -> float:
    """Two-sided, by the normal approximation with ties."""
    u, below, ties = 0.0, 0, 0
    for bucket in sorted({*before, *after}):
        mine, other = before.get(bucket, 0), after.get(bucket, 0)
        u += other * (below + mine / 2)  # pairs in which the value before is the smaller one; ties are halves
        below += mine
        ties += (mine + other) ** 3 - (mine + other)
    total = n + m
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    z = max(0.0, abs(u - n * m / 2) - 0.5) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2))
