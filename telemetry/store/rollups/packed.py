"""Histograms as one value of bytes each, made to be added up by
the thousand: pairs of bucket and count, 32 bits each.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from telemetry.histogram import NO_BUCKETS, ZERO_BUCKET, Buckets

_PAIR = np.dtype([("bucket", "<i4"), ("count", "<u4")])

_MAX_COUNT = 2**32 - 1
_MAX_BUCKET = 2**20
"""Above every bucket: of 2^26214, which no float is."""

_GROUPS_AT_ONCE = 256
"""Histograms that are made in one go: they take some mebibytes."""


def pack(buckets: Mapping[int, int]) -> bytes:
    """A sparse histogram (`telemetry.histogram`) as bytes.

    Raises:
        OverflowError: a count is above 2^32 - 1, which no span of time has.
    """
    pairs = np.empty(len(buckets), dtype=_PAIR)
    pairs["bucket"], pairs["count"] = list(buckets.keys()), np.array(list(buckets.values()), dtype=np.uint32)
    return pairs.tobytes()


def pack_arrays(histogram: Buckets) -> bytes:
    """The same of one that is in arrays.

    Raises:
        OverflowError: a count is above 2^32 - 1.
    """
    if len(histogram) and int(histogram.counts.max()) > _MAX_COUNT:
        raise OverflowError("a count is above 2^32 - 1")
    pairs = np.empty(len(histogram), dtype=_PAIR)
    pairs["bucket"], pairs["count"] = histogram.buckets, histogram.counts
    return pairs.tobytes()


def add_packed(groups: Sequence[Sequence[bytes]]) -> Iterator[Buckets]:
    """The packed histograms of each group added up: one histogram per group, in order.

    Raises:
        ValueError: the bytes are not of this form.
    """
    for start in range(0, len(groups), _GROUPS_AT_ONCE):
        yield from _add_packed(groups[start : start + _GROUPS_AT_ONCE])


def _add_packed(groups: Sequence[Sequence[bytes]]) -> Iterator[Buckets]:
    joined = [b"".join(group) for group in groups]
    pairs = np.frombuffer(b"".join(joined), dtype=_PAIR)
    pairs_of_group = [len(packed) // _PAIR.itemsize for packed in joined]
    group_of_pair = np.repeat(np.arange(len(groups)), pairs_of_group)
    return count_by_group(group_of_pair, pairs["bucket"], pairs["count"], len(groups))


def add_up(groups: Sequence[Sequence[Buckets]]) -> Iterator[Buckets]:
    """The histograms of each group added up: one histogram per group, in order."""
    histograms = list(itertools.chain.from_iterable(groups))
    if not histograms:
        return iter([NO_BUCKETS] * len(groups))
    buckets_of_group = [sum(map(len, group)) for group in groups]
    group_of_bucket = np.repeat(np.arange(len(groups)), buckets_of_group)
    buckets = np.concatenate([histogram.buckets for histogram in histograms])
    counts = np.concatenate([histogram.counts for histogram in histograms])
    return count_by_group(group_of_bucket, buckets, counts, len(groups))


def count_by_group(
    group: NDArray[np.integer], bucket: NDArray[np.integer], count: NDArray[np.integer] | None, groups: int
) -> Iterator[Buckets]:
    """One histogram per group (numbered from 0 to `groups` - 1) of counts in any order: three arrays of one
    length, a count for a bucket of a group each; `count` None counts each bucket once.

    All are laid out one behind the other and counted without sorting; the bucket of zeros, far below all
    others, goes before them.
    """
    if not len(bucket):
        yield from itertools.repeat(NO_BUCKETS, groups)
        return
    zeros = bucket == ZERO_BUCKET
    before = int(bucket.min(initial=_MAX_BUCKET, where=~zeros)) - 1
    places = np.where(zeros, 0, bucket - before)
    width = int(places.max()) + 1
    counts = np.bincount(group * width + places, weights=count)
    filled = counts.nonzero()[0]
    place = filled % width
    buckets = np.where(place == 0, ZERO_BUCKET, place + before)
    values = counts[filled].astype(np.int64)
    ends = np.searchsorted(filled, np.arange(1, groups + 1) * width).tolist()
    for begin, end in itertools.pairwise([0, *ends]):
        yield Buckets(buckets[begin:end], values[begin:end])
