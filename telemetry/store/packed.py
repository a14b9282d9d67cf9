"""Histograms as one value of bytes each, made to be added up by the thousand: pairs of bucket and count, 32 bits each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

_PAIR = np.dtype([("bucket", "<i4"), ("count", "<u4")])


def pack(buckets: Mapping[int, int]) -> bytes:
    """A sparse histogram (`telemetry.histogram`) as bytes.

    Raises:
        OverflowError: a count is above 2^32 - 1, which no stretch of time has.
    """
    pairs = np.empty(len(buckets), dtype=_PAIR)
    pairs["bucket"], pairs["count"] = list(buckets.keys()), np.array(list(buckets.values()), dtype=np.uint32)
    return pairs.tobytes()


def merged(packed: Sequence[bytes]) -> dict[int, int]:
    """Many packed histograms added up.

    Raises:
        ValueError: the bytes are not of this form.
    """
    pairs = np.frombuffer(b"".join(packed), dtype=_PAIR)
    if len(packed) == 1:  # a bucket is there once
        return dict(zip(pairs["bucket"].tolist(), pairs["count"].tolist(), strict=True))
    buckets, index = np.unique(pairs["bucket"], return_inverse=True)
    counts = np.bincount(index, weights=pairs["count"], minlength=len(buckets))
    return dict(zip(buckets.tolist(), counts.astype(np.int64).tolist(), strict=True))
