"""Merges minutes of roll-ups into longer stretches, little by little, so that long windows read few rows.

The writer only ever writes minutes. A stretch is built in one transaction once it is over, from shorter ones, with the
mark up to which its length is there; what was there before goes, so building it twice is no harm. Where a request ends
in a minute that is in a stretch already (the clock was set back, or the database was locked for long), the marks go back.
Gateways that share a database take turns.
"""

from __future__ import annotations

import itertools
import time
from collections import defaultdict
from dataclasses import dataclass, field

from sqlalchemy import delete, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telemetry.store.rollups.packed import merged, pack, pack_arrays
from telemetry.store.rollups.stretches import LONG, MINUTE, Marks, Stretches
from telemetry.store.rollups.tables import COUNTERS, HISTOGRAMS, LONG_HISTOGRAMS, LONG_TABLES, MARKS, SUMMED, Kind
from telemetry.store.sql import constant

EVERY_S = 60.0
"""Between two looks at whether a stretch is over."""

CLOSED_MINUTES = 3
"""After its last minute a stretch is taken for over: by then the requests that ended in it are written, as a rule."""

AT_ONCE = dict(zip(LONG, (8, 8, 4, 4, 6, 3), strict=True))
"""Stretches of each length that one transaction builds at most: some ten milliseconds, so that writing never waits long."""


@dataclass(slots=True)
class Compactor:
    """One `turn` between two batches of the writer."""

    _due_s: float = field(default_factory=time.monotonic)

    def wait_s(self) -> float:
        """Seconds until the next turn has something to do."""
        return max(0.0, self._due_s - time.monotonic())

    async def turn(self, engine: AsyncEngine) -> None:
        """Build some stretches, if it is time.

        Raises:
            SQLAlchemyError: the database cannot be written; the next turn comes later.
        """
        if self.wait_s() > 0:
            return
        self._due_s = time.monotonic() + EVERY_S
        async with engine.begin() as connection:
            more = await compact(connection, int(time.time()) // 60)
        if more:
            self._due_s = time.monotonic()


async def marks(connection: AsyncConnection) -> dict[int, int]:
    """Up to which minute the stretches of each length are there."""
    return {row.minutes: row.until for row in await connection.execute(select(MARKS))}


async def compact(connection: AsyncConnection, now_minute: int) -> bool:
    """Build the next stretches of the shortest length that has some; returns whether there may be more to build."""
    if connection.dialect.name == "postgresql":  # SQLite lets only one write anyway
        await connection.exec_driver_sql(f"LOCK TABLE {MARKS.name} IN SHARE ROW EXCLUSIVE MODE")
    there = await marks(connection)
    for shorter, length in itertools.pairwise((MINUTE, *LONG)):
        over = now_minute - CLOSED_MINUTES if shorter == MINUTE else there.get(shorter, 0)
        wanted = await _next(connection, shorter, length, there, over // length * length)
        if wanted is not None:
            await _build(connection, shorter, wanted)
            return True
    return False


async def _next(connection: AsyncConnection, shorter: int, length: int, there: Marks, over: int) -> Stretches | None:
    """The oldest stretches that are over and not there, from the first that has anything in it."""
    source = COUNTERS.minutes if shorter == MINUTE else COUNTERS.longer
    of_length = [] if shorter == MINUTE else [source.c.minutes == shorter]
    first = (
        await connection.execute(select(func.min(source.c.minute)).where(*of_length, source.c.minute >= there.get(length, 0)))
    ).scalar_one()
    if first is None or (begin := first // length * length) >= over:
        return None
    return Stretches(length, begin, min(over, begin + AT_ONCE[length] * length))


async def _build(connection: AsyncConnection, shorter: int, wanted: Stretches) -> None:
    for table in LONG_TABLES:
        beyond = [table.c.minute >= wanted.first, table.c.minute < wanted.until]
        await connection.execute(delete(table).where(table.c.minutes == wanted.minutes, *beyond))
    for kind in SUMMED:
        await _sum(connection, kind, shorter, wanted)
    await _merge_histograms(connection, shorter, wanted)
    await connection.execute(delete(MARKS).where(MARKS.c.minutes == wanted.minutes))
    await connection.execute(insert(MARKS).values(minutes=wanted.minutes, until=wanted.until))


async def _sum(connection: AsyncConnection, kind: Kind, shorter: int, wanted: Stretches) -> None:
    """In the database: rows of one stretch, series and key become one."""
    source = kind.minutes if shorter == MINUTE else kind.longer
    of_length = [] if shorter == MINUTE else [source.c.minutes == shorter]
    begin = source.c.minute - source.c.minute % constant(wanted.minutes)
    keys = [source.c[name] for name in kind.keys]
    summed = (
        select(literal(wanted.minutes), begin, *keys, *(func.sum(source.c[name]) for name in kind.values))
        .where(*of_length, source.c.minute >= wanted.first, source.c.minute < wanted.until)
        .group_by(begin, *keys)
    )
    await connection.execute(insert(kind.longer).from_select(["minutes", "minute", *kind.keys, *kind.values], summed))


async def _merge_histograms(connection: AsyncConnection, shorter: int, wanted: Stretches) -> None:
    found: dict[tuple[int, int, str], list[bytes]] = defaultdict(list)
    length = wanted.minutes
    if shorter == MINUTE:
        begin = HISTOGRAMS.c.minute - HISTOGRAMS.c.minute % constant(length)
        columns = (begin, HISTOGRAMS.c.series_id, HISTOGRAMS.c.measure, HISTOGRAMS.c.bucket)
        within = [HISTOGRAMS.c.minute >= wanted.first, HISTOGRAMS.c.minute < wanted.until]
        counted = select(*columns, func.sum(HISTOGRAMS.c.count)).where(*within).group_by(*columns)
        buckets: dict[tuple[int, int, str], dict[int, int]] = defaultdict(dict)
        for minute, series_id, measure, bucket, count in await connection.execute(counted):
            buckets[minute, series_id, measure][bucket] = int(count)
        found = defaultdict(list, {key: [pack(histogram)] for key, histogram in buckets.items()})
    else:
        table = LONG_HISTOGRAMS.c
        within = [table.minutes == shorter, table.minute >= wanted.first, table.minute < wanted.until]
        for minute, series_id, measure, packed in await connection.execute(
            select(table.minute, table.series_id, table.measure, table.buckets).where(*within)
        ):
            found[minute - minute % length, series_id, measure].append(packed)
    rows = [
        {"minutes": length, "minute": minute, "series_id": series_id, "measure": measure, "buckets": pack_arrays(together)}
        for (minute, series_id, measure), together in zip(found, merged(list(found.values())), strict=True)
    ]
    if rows:
        await connection.execute(insert(LONG_HISTOGRAMS), rows)


async def take_back(connection: AsyncConnection, minute: int) -> None:
    """Something was added to a minute, and maybe to later ones: stretches with them that are there are to be built again.

    In the transaction that added it, after that: a compaction of another gateway either waits and sees it, or is seen.
    """
    begin = minute - minute % MARKS.c.minutes
    await connection.execute(update(MARKS).where(MARKS.c.until > begin).values(until=begin))
