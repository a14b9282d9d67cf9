"""Histograms as one value of bytes each, made to be added up by the thousand: pairs of bucket and count, 32 bits each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from telemetry.histogram import ZERO_BUCKET

_PAIR = np.dtype([("bucket", "<i4"), ("count", "<u4")])

_AT_ONCE = 256
"""Histograms that are made in one go: they take some megabytes."""


def pack(buckets: Mapping[int, int]) -> bytes:
    """A sparse histogram (`telemetry.histogram`) as bytes.

    Raises:
        OverflowError: a count is above 2^32 - 1, which no stretch of time has.
    """
    pairs = np.empty(len(buckets), dtype=_PAIR)
    pairs["bucket"], pairs["count"] = list(buckets.keys()), np.array(list(buckets.values()), dtype=np.uint32)
    return pairs.tobytes()


def merged(groups: Sequence[Sequence[bytes]]) -> Iterator[dict[int, int]]:
    """The packed histograms of each group added up.

    Raises:
        ValueError: the bytes are not of this form.
    """
    for start in range(0, len(groups), _AT_ONCE):
        yield from _merged(groups[start : start + _AT_ONCE])


def _merged(groups: Sequence[Sequence[bytes]]) -> Iterator[dict[int, int]]:
    """All of them are laid out one behind the other and counted without sorting; the bucket of zeros, far below all others, goes before them."""
    joined = [b"".join(group) for group in groups]
    pairs = np.frombuffer(b"".join(joined), dtype=_PAIR)
    if not len(pairs):
        yield from ({} for _ in groups)
        return
    zeros = pairs["bucket"] == ZERO_BUCKET
    before = int(pairs["bucket"].min(initial=0, where=~zeros)) - 1
    places = np.where(zeros, 0, pairs["bucket"] - before)
    width = int(places.max()) + 1
    group = np.repeat(np.arange(len(groups)), [len(packed) // _PAIR.itemsize for packed in joined])
    counts = np.bincount(group * width + places, weights=pairs["count"])
    filled = counts.nonzero()[0]
    place = filled % width
    buckets = np.where(place == 0, ZERO_BUCKET, place + before).tolist()
    values = counts[filled].astype(np.int64).tolist()
    ends = np.searchsorted(filled, np.arange(1, len(groups) + 1) * width).tolist()
    for begin, end in zip([0, *ends], ends, strict=False):
        yield dict(zip(buckets[begin:end], values[begin:end], strict=True))
