"""The spans of time that roll-ups are kept of besides minutes,
and which of them together cover a window; pure.

A window is read as a few minutes at its ends and ever longer spans between: its figures are those of its
minutes, with hardly more rows for a year than for a day. All spans are aligned to Unix time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

MINUTE, QUARTER, HOUR, SIX_HOURS, DAY = 1, 15, 60, 6 * 60, 24 * 60
FIVE_DAYS, THIRTY_DAYS = 5 * DAY, 30 * DAY
"""Minutes; each is a multiple of the one before."""

LONG_SPANS = (QUARTER, HOUR, SIX_HOURS, DAY, FIVE_DAYS, THIRTY_DAYS)
"""Lengths (minutes) that are kept besides single minutes."""

Watermarks = Mapping[int, int]
"""Length (minutes) → the Unix minute up to which all spans of that length are there."""


@dataclass(frozen=True, slots=True)
class RollupSpan:
    """Roll-ups of one length side by side: those of `minutes` that begin at the Unix minute `first` or later,
    and before `until` (None: no end).
    """

    minutes: int
    first: int
    until: int | None


def cover(
    first: int, watermarks: Watermarks, *, until: int | None = None, step: int | None = None
) -> list[RollupSpan]:
    """The fewest spans that hold every minute from `first` on (to `until`) once.

    With a `step` (minutes), only those that lie within one step
    of a chart whose steps begin at its multiples.
    """
    usable = [length for length in LONG_SPANS if step is None or step % length == 0]
    return list(_cover(first, until, usable, watermarks))


def _cover(
    first: int, until: int | None, lengths: Sequence[int], watermarks: Watermarks
) -> Iterator[RollupSpan]:
    if until is not None and first >= until:
        return
    if not lengths:
        yield RollupSpan(MINUTE, first, until)
        return
    *shorter, longest = lengths
    watermark = watermarks.get(longest, 0)
    begin = -(-first // longest) * longest
    end = (watermark if until is None else min(watermark, until)) // longest * longest
    if begin >= end:
        yield from _cover(first, until, shorter, watermarks)
        return
    yield from _cover(first, begin, shorter, watermarks)
    yield RollupSpan(longest, begin, end)
    yield from _cover(end, until, shorter, watermarks)
