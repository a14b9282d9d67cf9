"""The reader of roll-ups over a window: from the longest spans
that are kept, and from minutes where there is none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, func, literal, select, union_all
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.histogram import NO_BUCKETS, Buckets
from telemetry.store.queries.reading import fetch_columns
from telemetry.store.queries.windows import Window
from telemetry.store.rollup_models import SeriesRow
from telemetry.store.rollups.measures import Measure
from telemetry.store.rollups.packed import add_packed, pack
from telemetry.store.rollups.spans import MINUTE, RollupSpan, cover
from telemetry.store.rollups.tables import COUNTERS, HISTOGRAMS, LONG_HISTOGRAMS, WATERMARKS, RollupTables

Cover = Sequence[RollupSpan]
"""Spans that together hold every minute of a window once."""

Key = Callable[[ColumnElement[int]], Sequence[Any]]
"""The key to group by: expressions of the column of the minute, or of `SeriesRow`."""

Histograms = dict[tuple[Any, ...], dict[Measure, Buckets]]
"""Key, measure → log histogram (`telemetry.histogram`)."""

_MEASURES = {measure.value: measure for measure in Measure}

_FIRST = 0
"""No length of a span: the row that has the first minute."""


async def window_cover(engine: AsyncEngine, window: Window, now_s: float) -> Cover:
    """The cover of a window, the present minute included.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    return await cover_from(engine, 0 if window.minutes is None else int(now_s) // 60 - window.minutes + 1)


async def cover_from(engine: AsyncEngine, first: int, step: int | None = None) -> Cover:
    """The cover of every minute from one on; with a `step` (minutes), so that no span crosses its multiples.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    return await cover_parts(engine, [first], step)


async def cover_parts(engine: AsyncEngine, firsts: Sequence[int], step: int | None = None) -> Cover:
    """The cover of every minute from the first of these on, so that no span crosses one of them; they rise.

    A span whose beginning retention has deleted is not read as a whole.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    begins = select(literal(_FIRST), func.min(COUNTERS.minutes.c.minute))
    found = union_all(select(WATERMARKS.c.minutes, WATERMARKS.c.until), begins).subquery()
    watermarks: dict[int, int] = {row[0]: row[1] or 0 for row in await fetch_columns(engine, select(found))}
    oldest = watermarks.pop(_FIRST)
    spans: list[RollupSpan] = []
    for first, until in zip(firsts, [*firsts[1:], None], strict=True):
        spans += cover(max(first, oldest), watermarks, until=until, step=step)
    return spans


def rows_in(tables: RollupTables, covered: Cover) -> Subquery:
    """The rows of a cover, of one kind of roll-up: `minute`, the tables' keys and values."""
    names = ["minute", *tables.keys, *tables.values]
    parts = []
    for span in covered:
        table = tables.minutes if span.minutes == MINUTE else tables.longer
        columns = [table.c[name] for name in names]
        parts.append(_within(select(*columns), table, span))
    return union_all(*parts).subquery()


async def histograms(
    engine: AsyncEngine, covered: Cover, key: Key, measures: Iterable[Measure], *where: ColumnElement[bool]
) -> Histograms:
    """The histograms of a cover, added up by key; `where` is about `SeriesRow`.

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
    for (*parts, measure), together in zip(packed, add_packed(list(packed.values())), strict=True):
        found[tuple(parts)][_MEASURES[measure]] = together
    return found


async def _rows(engine: AsyncEngine, selects: list[Select[Any]]) -> Sequence[Any]:
    return await fetch_columns(engine, select(union_all(*selects).subquery())) if selects else ()


def _packed(
    covered: Cover, key: Key, measures: list[Measure], where: Iterable[ColumnElement[bool]]
) -> list[Select[Any]]:
    """Of longer spans: the key's parts, measure, packed histogram."""
    table = LONG_HISTOGRAMS
    columns = (*_named(key(table.c.minute)), table.c.measure, table.c.buckets)
    read = _of_series(select(*columns), table, measures, where)
    return [_within(read, table, span) for span in covered if span.minutes != MINUTE]


def _minutes(
    covered: Cover, key: Key, measures: list[Measure], where: Iterable[ColumnElement[bool]]
) -> list[Select[Any]]:
    """Of minutes: the key's parts, measure, bucket, count."""
    table = HISTOGRAMS
    parts = key(table.c.minute)
    columns = (*_named(parts), table.c.measure, table.c.bucket, func.sum(table.c.count).label("count"))
    read = _of_series(select(*columns), table, measures, where)
    grouped = read.group_by(*parts, table.c.measure, table.c.bucket)
    return [_within(grouped, table, span) for span in covered if span.minutes == MINUTE]


def _of_series(
    read: Select[Any], table: Any, measures: list[Measure], where: Iterable[ColumnElement[bool]]
) -> Select[Any]:
    joined = read.join(SeriesRow, SeriesRow.id == table.c.series_id)
    return joined.where(table.c.measure.in_(measures), *where)


def _named(parts: Sequence[Any]) -> list[Any]:
    return [part.label(f"key_{index}") for index, part in enumerate(parts)]


def _within(read: Select[Any], table: Any, span: RollupSpan) -> Select[Any]:
    if span.minutes != MINUTE:
        read = read.where(table.c.minutes == span.minutes)
    read = read.where(table.c.minute >= span.first)
    return read if span.until is None else read.where(table.c.minute < span.until)
