"""Inspection of the database: what is in it, how large it is, and whether it is sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import FromClause, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telemetry.events import Status
from telemetry.store.batch import CONFIGS, CONTENTS, PHASES, REQUESTS, SERIES
from telemetry.store.content_retention import content_bytes
from telemetry.store.retention import pragma, used_bytes
from telemetry.store.rollups.compaction import watermarks
from telemetry.store.rollups.tables import COUNTERS, LONG_TABLES, MINUTE_TABLES
from telemetry.store.seq import moment_of

TABLES = (REQUESTS, PHASES, CONTENTS, *MINUTE_TABLES, *LONG_TABLES, SERIES, CONFIGS)

ENDED = REQUESTS.c.status.in_([Status.OK.value, Status.ERROR.value, Status.CANCELLED.value])
"""The requests that roll-ups count; `interrupted` ones never got there."""

REBUILD = "with the gateway stopped, `DELETE FROM rollup_marks`, and the next start builds them again"

LONGEST_MINUTES = 15
"""Longest time that a request may have taken (`server.request_timeout_s` and some)."""


@dataclass(frozen=True, slots=True)
class Contents:
    """Rows by table, bytes in use (SQLite: pages in use; None where it is not known), the range of requests,
    and the bytes of what was said in them.
    """

    rows: dict[str, int]
    used_bytes: int | None
    free_bytes: int | None
    oldest: datetime | None
    newest: datetime | None
    content_bytes: int


async def contents(engine: AsyncEngine) -> Contents:
    """Count everything.

    Raises:
        SQLAlchemyError: the database cannot be read.
    """
    async with engine.connect() as connection:
        rows = {table.name: await _count(connection, table) for table in TABLES}
        oldest, newest = (
            await connection.execute(select(func.min(REQUESTS.c.seq), func.max(REQUESTS.c.seq)))
        ).one()
        used = await used_bytes(connection)
        return Contents(
            rows,
            used,
            None
            if used is None
            else await pragma(connection, "freelist_count") * await pragma(connection, "page_size"),
            None if oldest is None else moment_of(oldest),
            None if newest is None else moment_of(newest),
            await content_bytes(connection),
        )


async def _count(connection: AsyncConnection, table: FromClause) -> int:
    return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


async def verify(engine: AsyncEngine) -> list[str]:
    """Everything that is wrong, in words; nothing is right. Reads the whole database.

    Raises:
        SQLAlchemyError: the database cannot be read.
    """
    async with engine.connect() as connection:
        if damage := await _damage(connection):
            return damage
        lost = [
            *await _lost_references(connection),
            *await _lost_series(connection),
            *await _lost_phases(connection),
        ]
        return [*lost, *await _rollup_differences(connection), *await _span_differences(connection)]


async def try_writing(engine: AsyncEngine, *, with_tables: bool) -> None:
    """Write something that changes nothing, and take it back.

    Raises:
        SQLAlchemyError: the database cannot be written.
    """
    statement = (
        "UPDATE alembic_version SET version_num = version_num"
        if with_tables
        else "CREATE TABLE firsttoken_probe (x INTEGER)"
    )
    async with engine.connect() as connection:
        await connection.exec_driver_sql(statement)
        await connection.rollback()


async def _damage(connection: AsyncConnection) -> list[str]:
    """The findings of SQLite's own check in pages and indexes; a server looks after its own."""
    if connection.dialect.name != "sqlite":
        return []
    said = [str(row[0]) for row in (await connection.exec_driver_sql("PRAGMA integrity_check(20)")).all()]
    return [f"SQLite: {line}" for line in said if line != "ok"]


async def _lost_references(connection: AsyncConnection) -> list[str]:
    """Rows that refer to one that is not there; a server does not let that happen."""
    if connection.dialect.name != "sqlite":
        return []
    broken = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).mappings().all()
    return [
        f"{row['table']}, row {row['rowid']}: what it refers to in {row['parent']} is not there"
        for row in broken
    ]


async def _lost_series(connection: AsyncConnection) -> list[str]:
    """Roll-ups of a series that is not there: they are in no figure by model."""
    found: list[str] = []
    for table in (*MINUTE_TABLES, *LONG_TABLES):
        known = exists().where(SERIES.c.id == table.c.series_id)
        lost = (await connection.execute(select(func.count()).select_from(table).where(~known))).scalar_one()
        found += [f"{table.name}: {lost} rows of series that are not there"] if lost else []
    return found


async def _lost_phases(connection: AsyncConnection) -> list[str]:
    """Requests that ended and have no phases."""
    without = (
        select(func.count())
        .select_from(REQUESTS)
        .outerjoin(PHASES, PHASES.c.seq == REQUESTS.c.seq)
        .where(ENDED, PHASES.c.seq.is_(None))
    )
    missing = int((await connection.execute(without)).scalar_one())
    return [f"{missing} ended requests have no phases"] if missing else []


async def _rollup_differences(connection: AsyncConnection) -> list[str]:
    """Each whole minute that requests still cover has as many of them in its roll-ups."""
    first = (await connection.execute(select(func.min(REQUESTS.c.seq)))).scalar_one()
    if first is None:
        return []
    counted = await _requests_by_minute(connection)
    found = await connection.execute(
        select(COUNTERS.minutes.c.minute, func.sum(COUNTERS.minutes.c.requests)).group_by(
            COUNTERS.minutes.c.minute
        )
    )
    stored = {row[0]: int(row[1]) for row in found}
    covered, kept = int(moment_of(first).timestamp()) // 60, min(stored, default=0)
    # older requests were forgotten, of which some may have ended later than the first one that is there
    if kept < covered:
        covered += LONGEST_MINUTES
    return _differences(stored, counted, covered, kept)


async def _requests_by_minute(connection: AsyncConnection) -> dict[int, int]:
    """Ended requests by the minute of their end: admission (by the clock of that time, which `seq` need not
    follow back) plus total time.
    """
    columns = (REQUESTS.c.started_at, REQUESTS.c.total_ms)
    counted: dict[int, int] = {}
    async for started, total_ms in await connection.stream(select(*columns).where(ENDED)):
        began = started.replace(tzinfo=UTC) if started.tzinfo is None else started
        minute = int((began + timedelta(milliseconds=total_ms or 0)).timestamp()) // 60
        counted[minute] = counted.get(minute, 0) + 1
    return counted


def _differences(stored: dict[int, int], counted: dict[int, int], covered: int, kept: int) -> list[str]:
    """Minutes from `covered` on, whose requests are all there, and from `kept` on, whose roll-ups are;
    rounding may move a request by one minute, so runs of neighbouring minutes are compared by their sum.
    """
    minutes = sorted({minute for minute in (*stored, *counted) if minute > covered and minute >= kept})
    found: list[str] = []
    run: list[int] = []
    for minute, following in zip(minutes, [*minutes[1:], None], strict=True):
        run.append(minute)
        if following is None or following > minute + 1:
            found += _run_difference(stored, counted, run)
            run = []
    return found


def _run_difference(stored: dict[int, int], counted: dict[int, int], run: Sequence[int]) -> list[str]:
    in_rollups = sum(stored.get(minute, 0) for minute in run)
    in_rows = sum(counted.get(minute, 0) for minute in run)
    if in_rollups == in_rows:
        return []
    at = datetime.fromtimestamp(run[0] * 60, UTC).strftime("%Y-%m-%d %H:%M")
    return [f"from {at} UTC, {len(run)} minutes: {in_rollups} requests in the roll-ups, {in_rows} rows"]


async def _span_differences(connection: AsyncConnection) -> list[str]:
    """Of each length, all spans together have as many requests as their minutes."""
    found: list[str] = []
    longer, minutes = COUNTERS.longer.c, COUNTERS.minutes.c
    for length, until in (await watermarks(connection)).items():
        columns = (func.min(longer.minute), func.coalesce(func.sum(longer.requests), 0))
        first, stored = (
            await connection.execute(select(*columns).where(longer.minutes == length, longer.minute < until))
        ).one()
        if first is None:
            continue
        counted = select(func.coalesce(func.sum(minutes.requests), 0)).where(
            minutes.minute >= first, minutes.minute < until
        )
        if (in_minutes := (await connection.execute(counted)).scalar_one()) != stored:
            found.append(
                f"roll-ups of {length} minutes: {stored} requests, {in_minutes} in their minutes; {REBUILD}"
            )
    return found
