"""Reads of roll-ups over a stretch of time: from the longest stretches that are kept, and minutes where there is none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.histogram import NO_BUCKETS, Buckets
from telemetry.store.models import SeriesRow
from telemetry.store.queries.reading import fetch_figures
from telemetry.store.queries.windows import Window
from telemetry.store.rollups.measures import Measure
from telemetry.store.rollups.packed import merged, pack
from telemetry.store.rollups.stretches import MINUTE, Stretches, cover
from telemetry.store.rollups.tables import COUNTERS, HISTOGRAMS, LONG_HISTOGRAMS, MARKS, Kind

Cover = Sequence[Stretches]

Key = Callable[[ColumnElement[int]], Sequence[Any]]
"""What to group by: expressions of the column of the minute, or of `SeriesRow`."""

Histograms = dict[tuple[Any, ...], dict[Measure, Buckets]]
"""Key, measure → log histogram (`telemetry.histogram`)."""

_MEASURES = {measure.value: measure for measure in Measure}

_FIRST = 0
"""No length of a stretch: the row that has the first minute."""


async def window_cover(engine: AsyncEngine, window: Window, now_s: float) -> Cover:
    """What holds a window, the present minute included.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    return await cover_from(engine, 0 if window.minutes is None else int(now_s) // 60 - window.minutes + 1)


async def cover_from(engine: AsyncEngine, first: int, step: int | None = None) -> Cover:
    """What holds every minute from one on; with a `step`, so that no stretch crosses its multiples.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    return await cover_parts(engine, [first], step)


async def cover_parts(engine: AsyncEngine, firsts: Sequence[int], step: int | None = None) -> Cover:
    """What holds every minute from the first of these on, so that no stretch crosses one of them; they rise.

    A stretch whose beginning retention has deleted is not read as a whole.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    begins = select(literal(_FIRST), func.min(COUNTERS.minutes.c.minute))
    found = union_all(select(MARKS.c.minutes, MARKS.c.until), begins).subquery()
    marks: dict[int, int] = {row[0]: row[1] or 0 for row in await fetch_figures(engine, select(found))}
    oldest = marks.pop(_FIRST)
    parts = zip(firsts, [*firsts[1:], None], strict=True)
    return [stretches for first, until in parts for stretches in cover(max(first, oldest), marks, until=until, step=step)]


def counted(kind: Kind, covered: Cover) -> Subquery:
    """The rows of a cover, one kind of roll-up: `minute`, the kind's keys and its values."""
    names = ["minute", *kind.keys, *kind.values]
    parts = []
    for stretches in covered:
        table = kind.minutes if stretches.minutes == MINUTE else kind.longer
        parts.append(_within(select(*(table.c[name] for name in names)), table, stretches))
    return union_all(*parts).subquery()


async def histograms(engine: AsyncEngine, covered: Cover, key: Key, measures: Iterable[Measure], *where: ColumnElement[bool]) -> Histograms:
    """The histograms of a cover, merged by key; `where` is about `SeriesRow`.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    wanted = list(measures)
    packed: dict[tuple[Any, ...], list[bytes]] = defaultdict(list)
    for *parts, buckets in await _rows(engine, _packed(covered, key, wanted, where)):
        packed[tuple(parts)].append(buckets)
    loose: dict[tuple[Any, ...], dict[int, int]] = defaultdict(dict)
    for *parts, bucket, count in await _rows(engine, _minutes(covered, key, wanted, where)):
        counts = loose[tuple(parts)]
        counts[bucket] = counts.get(bucket, 0) + int(count)
    for parts, counts in loose.items():
        packed[parts].append(pack(counts))
    found: Histograms = defaultdict(lambda: defaultdict(lambda: NO_BUCKETS))
    for (*parts, measure), together in zip(packed, merged(list(packed.values())), strict=True):
        found[tuple(parts)][_MEASURES[measure]] = together
    return found


async def _rows(engine: AsyncEngine, selects: list[Select[Any]]) -> Sequence[Any]:
    return await fetch_figures(engine, select(union_all(*selects).subquery())) if selects else ()


def _packed(covered: Cover, key: Key, measures: list[Measure], where: Iterable[ColumnElement[bool]]) -> list[Select[Any]]:
    table = LONG_HISTOGRAMS
    columns = (*_named(key(table.c.minute)), table.c.measure, table.c.buckets)
    read = select(*columns).join(SeriesRow, SeriesRow.id == table.c.series_id).where(table.c.measure.in_(measures), *where)
    return [_within(read, table, stretches) for stretches in covered if stretches.minutes != MINUTE]


def _minutes(covered: Cover, key: Key, measures: list[Measure], where: Iterable[ColumnElement[bool]]) -> list[Select[Any]]:
    table = HISTOGRAMS
    parts = key(table.c.minute)
    columns = (*_named(parts), table.c.measure, table.c.bucket, func.sum(table.c.count).label("count"))
    read = select(*columns).join(SeriesRow, SeriesRow.id == table.c.series_id).where(table.c.measure.in_(measures), *where)
    grouped = read.group_by(*parts, table.c.measure, table.c.bucket)
    return [_within(grouped, table, stretches) for stretches in covered if stretches.minutes == MINUTE]


def _named(parts: Sequence[Any]) -> list[Any]:
    return [part.label(f"key_{index}") for index, part in enumerate(parts)]


def _within(read: Select[Any], table: Any, stretches: Stretches) -> Select[Any]:
    if stretches.minutes != MINUTE:
        read = read.where(table.c.minutes == stretches.minutes)
    read = read.where(table.c.minute >= stretches.first)
    return read if stretches.until is None else read.where(table.c.minute < stretches.until)
