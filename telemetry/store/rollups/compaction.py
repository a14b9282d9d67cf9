"""Compaction: minutes of roll-ups become longer spans, little by little, so that long windows read few rows.

The writer only ever writes minutes. A span is built in one transaction once it is over, from shorter ones,
with the watermark up to which its length is there; what was there before goes, so building it twice is no
harm. Where a request ends in a minute that is in a span already (the clock was set back, or the database was
locked for long), the watermarks go back. Gateways that share a database take turns.
"""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telemetry.histogram import Buckets
from telemetry.store.maintenance import Timer
from telemetry.store.rollups.packed import add_packed, pack, pack_arrays
from telemetry.store.rollups.spans import LONG_SPANS, MINUTE, RollupSpan, Watermarks
from telemetry.store.rollups.tables import (
    COUNTERS,
    HISTOGRAMS,
    LONG_HISTOGRAMS,
    LONG_TABLES,
    SUMMED,
    WATERMARKS,
    RollupTables,
)
from telemetry.store.sql import constant

EVERY_S = 60.0
"""Between two looks at whether a span is over."""

CLOSED_MINUTES = 3
"""After its last minute a span is taken for over: by then the
requests that ended in it are written, as a rule.
"""

MAX_BUILT = dict(zip(LONG_SPANS, (8, 8, 4, 4, 6, 3), strict=True))
"""Spans of each length that one transaction builds: some ten
milliseconds, so that writing never waits long.
"""

Key = tuple[int, int, str]
"""The first minute of a span, series, measure: what tells a span's histograms apart."""


@dataclass(slots=True)
class Compactor:
    """Builds longer spans; maintenance of the writer (`telemetry.store.maintenance.Maintenance`)."""

    timer: Timer = field(default_factory=lambda: Timer(EVERY_S))

    def wait_s(self) -> float:
        """Seconds until there is something to do."""
        return self.timer.wait_s()

    async def run_once(self, engine: AsyncEngine) -> None:
        """Build some spans, if it is due.

        Raises:
            SQLAlchemyError: the database cannot be written; it is tried again later.
        """
        if not self.timer.is_due():
            return
        self.timer.restart()
        async with engine.begin() as connection:
            more = await compact(connection, int(time.time()) // 60)
        if more:
            self.timer.restart(more=True)


async def watermarks(connection: AsyncConnection) -> dict[int, int]:
    """The Unix minute up to which the spans of each length are there."""
    return {row.minutes: row.until for row in await connection.execute(select(WATERMARKS))}


async def compact(connection: AsyncConnection, now_minute: int) -> bool:
    """Build the next spans of the shortest length that has
    some; returns whether there may be more to build.
    """
    if connection.dialect.name == "postgresql":  # SQLite lets only one write anyway
        await connection.exec_driver_sql(f"LOCK TABLE {WATERMARKS.name} IN SHARE ROW EXCLUSIVE MODE")
    there = await watermarks(connection)
    for shorter, length in itertools.pairwise((MINUTE, *LONG_SPANS)):
        over = now_minute - CLOSED_MINUTES if shorter == MINUTE else there.get(shorter, 0)
        wanted = await _next(connection, shorter, length, there, over // length * length)
        if wanted is not None:
            await _build(connection, shorter, wanted)
            return True
    return False


async def _next(
    connection: AsyncConnection, shorter: int, length: int, there: Watermarks, over: int
) -> RollupSpan | None:
    """The oldest spans that are over and not there, from the first that has anything in it."""
    source, of_length = _source(COUNTERS, shorter)
    first_minute = select(func.min(source.c.minute)).where(
        *of_length, source.c.minute >= there.get(length, 0)
    )
    first = (await connection.execute(first_minute)).scalar_one()
    if first is None or (begin := first // length * length) >= over:
        return None
    return RollupSpan(length, begin, min(over, begin + MAX_BUILT[length] * length))


def _source(tables: RollupTables, length: int) -> tuple[Table, list[ColumnElement[bool]]]:
    """The table that has the roll-ups of a length, and the condition that leaves only those."""
    if length == MINUTE:
        return tables.minutes, []
    return tables.longer, [tables.longer.c.minutes == length]


async def _build(connection: AsyncConnection, shorter: int, wanted: RollupSpan) -> None:
    for table in LONG_TABLES:
        beyond = [table.c.minute >= wanted.first, table.c.minute < wanted.until]
        await connection.execute(delete(table).where(table.c.minutes == wanted.minutes, *beyond))
    for tables in SUMMED:
        await _sum(connection, tables, shorter, wanted)
    await _merge_histograms(connection, shorter, wanted)
    await connection.execute(delete(WATERMARKS).where(WATERMARKS.c.minutes == wanted.minutes))
    await connection.execute(insert(WATERMARKS).values(minutes=wanted.minutes, until=wanted.until))


async def _sum(connection: AsyncConnection, tables: RollupTables, shorter: int, wanted: RollupSpan) -> None:
    """In the database: rows of one span, series and key become one."""
    source, of_length = _source(tables, shorter)
    begin = source.c.minute - source.c.minute % constant(wanted.minutes)
    keys = [source.c[name] for name in tables.keys]
    summed = (
        select(literal(wanted.minutes), begin, *keys, *(func.sum(source.c[name]) for name in tables.values))
        .where(*of_length, source.c.minute >= wanted.first, source.c.minute < wanted.until)
        .group_by(begin, *keys)
    )
    into = ["minutes", "minute", *tables.keys, *tables.values]
    await connection.execute(insert(tables.longer).from_select(into, summed))


async def _merge_histograms(connection: AsyncConnection, shorter: int, wanted: RollupSpan) -> None:
    """Here, not in the database: histograms of one span, series and measure become one packed value."""
    read = _minutes_packed if shorter == MINUTE else _longer_packed
    found = await read(connection, shorter, wanted)
    together = add_packed(list(found.values()))
    rows = [_row(wanted.minutes, key, histogram) for key, histogram in zip(found, together, strict=True)]
    if rows:
        await connection.execute(insert(LONG_HISTOGRAMS), rows)


async def _minutes_packed(
    connection: AsyncConnection, _minute: int, wanted: RollupSpan
) -> dict[Key, list[bytes]]:
    """The histograms of the wanted spans from their minutes, added up by the database: one per key."""
    table = HISTOGRAMS.c
    begin = table.minute - table.minute % constant(wanted.minutes)
    columns = (begin, table.series_id, table.measure, table.bucket)
    summed = select(*columns, func.sum(table.count)).where(*_within(table.minute, wanted)).group_by(*columns)
    buckets: dict[Key, dict[int, int]] = defaultdict(dict)
    for minute, series_id, measure, bucket, count in await connection.execute(summed):
        buckets[minute, series_id, measure][bucket] = int(count)
    return {key: [pack(histogram)] for key, histogram in buckets.items()}


async def _longer_packed(
    connection: AsyncConnection, shorter: int, wanted: RollupSpan
) -> dict[Key, list[bytes]]:
    """The packed histograms of shorter spans, by the wanted span that they are part of."""
    table = LONG_HISTOGRAMS.c
    columns = (table.minute, table.series_id, table.measure, table.buckets)
    of_length = select(*columns).where(table.minutes == shorter, *_within(table.minute, wanted))
    found: dict[Key, list[bytes]] = defaultdict(list)
    for minute, series_id, measure, packed in await connection.execute(of_length):
        found[minute - minute % wanted.minutes, series_id, measure].append(packed)
    return found


def _within(minute: Any, wanted: RollupSpan) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return minute >= wanted.first, minute < wanted.until


def _row(length: int, key: Key, histogram: Buckets) -> dict[str, Any]:
    """A row of `LONG_HISTOGRAMS`."""
    minute, series_id, measure = key
    named = {"minutes": length, "minute": minute, "series_id": series_id, "measure": measure}
    return named | {"buckets": pack_arrays(histogram)}


async def rewind_watermarks(connection: AsyncConnection, minute: int) -> None:
    """Have spans built again that hold a minute to which something was added, or a later one.

    In the transaction that added it, after that: a compaction
    of another gateway either waits and sees it, or is seen.
    """
    begin = minute - minute % WATERMARKS.c.minutes
    await connection.execute(update(WATERMARKS).where(WATERMARKS.c.until > begin).values(until=begin))
