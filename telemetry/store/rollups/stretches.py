"""Stretches of time that roll-ups are kept of besides minutes, and which of them together cover a window; pure.

A window is read as a few minutes at its ends and ever longer stretches between: its figures are those of its minutes,
with hardly more rows for a year than for a day. All stretches are aligned to Unix time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

MINUTE, QUARTER, HOUR, DAY = 1, 15, 60, 24 * 60
SHIFT, WEEK, MONTH = 6 * HOUR, 5 * DAY, 30 * DAY
"""Minutes. A week has its five days, and a month 30, so that each is a multiple of the one before."""

LONG = (QUARTER, HOUR, SHIFT, DAY, WEEK, MONTH)
"""What is kept besides minutes; each is a multiple of the one before it."""

Marks = Mapping[int, int]
"""Length → the minute up to which all stretches of that length are there."""


@dataclass(frozen=True, slots=True)
class Stretches:
    """Neighbouring stretches of `minutes`: those that begin at `first` or later, and before `until` (None: no end)."""

    minutes: int
    first: int
    until: int | None


def cover(first: int, marks: Marks, *, until: int | None = None, step: int | None = None) -> list[Stretches]:
    """The fewest stretches that hold every minute from `first` on (to `until`) once.

    With a `step` (minutes), only those that lie within one step of a chart whose steps begin at its multiples.
    """
    usable = [length for length in LONG if step is None or step % length == 0]
    return list(_cover(first, until, usable, marks))


def _cover(first: int, until: int | None, lengths: Sequence[int], marks: Marks) -> Iterator[Stretches]:
    if until is not None and first >= until:
        return
    if not lengths:
        yield Stretches(MINUTE, first, until)
        return
    *shorter, longest = lengths
    there = marks.get(longest, 0)
    begin = -(-first // longest) * longest
    end = (there if until is None else min(there, until)) // longest * longest
    if begin >= end:
        yield from _cover(first, until, shorter, marks)
        return
    yield from _cover(first, begin, shorter, marks)
    yield Stretches(longest, begin, end)
    yield from _cover(end, until, shorter, marks)
