"""Longer spans of roll-ups: every read gives the same figures with them as from minutes alone, on both
databases.
"""

from __future__ import annotations

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Table, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telemetry.store import inspection, migrate
from telemetry.store.batch import SERIES
from telemetry.store.engine import create_writer
from telemetry.store.retention import prune_rollups
from telemetry.store.rollups.compaction import compact, watermarks
from telemetry.store.rollups.spans import DAY, HOUR, LONG_SPANS
from telemetry.store.rollups.tables import COUNTERS, LONG_TABLES, MINUTE_TABLES, WATERMARKS
from telemetry.store.writer import StoreSink
from tests.store.rollup_reads import DAYS, REQUESTS, change, compact_all, differing, everything, work, write
from tests.store.test_charges import take_schema_back


@pytest.fixture
def filled(url: str) -> str:
    """Months of requests of two models and configurations; half of them in the last two days."""
    write(url, [DAYS * draw**8 for draw in (random.Random(number).random() for number in range(REQUESTS))])
    return url


def count(url: str, table: Table) -> int:
    async def run(connection: AsyncConnection) -> int:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())

    return change(url, run)


async def forget_stretches(connection: AsyncConnection) -> None:
    """Minutes alone."""
    for table in (WATERMARKS, *LONG_TABLES):
        await connection.execute(delete(table))


def test_every_read_is_the_same_from_longer_stretches(filled: str) -> None:
    """All windows, steps and groups; building again what is there changes nothing, and there is nothing
    left to build.
    """
    now_s = time.time()
    minutes_alone = everything(filled, now_s)
    assert minutes_alone["/all totals/requests"] == REQUESTS
    assert minutes_alone["/availability/60/total"] > 0
    there = compact_all(filled, now_s)
    assert there.keys() == set(LONG_SPANS)
    assert there[60] > now_s // 60 - 2 * 60
    assert not differing(everything(filled, now_s), minutes_alone)
    assert compact_all(filled, now_s) == there
    change(
        filled,
        lambda connection: connection.execute(update(WATERMARKS).values(until=there[60] - 3 * 24 * 60)),
    )
    compact_all(filled, now_s)
    assert not differing(everything(filled, now_s), minutes_alone)


def test_two_gateways_build_them_in_one_database(filled: str) -> None:
    """Each writer has a compactor: they take turns, and the figures stay."""
    now_s = time.time()
    before = everything(filled, now_s)

    async def build(engine: AsyncEngine) -> None:
        more = True
        while more:
            async with engine.begin() as connection:
                more = await compact(connection, int(now_s) // 60)
            # a writer gathers events between two turns; without a gap SQLite's lock is never free
            await asyncio.sleep(0.02)

    with ThreadPoolExecutor(2) as pool:
        for built in [pool.submit(work, filled, build, create_writer) for _ in range(2)]:
            built.result(60)
    assert not differing(everything(filled, now_s), before)


def test_a_late_request_is_in_its_stretch(filled: str) -> None:
    """A request that ends in a minute long past: the watermarks go back before it, and the spans are built
    again.
    """
    there = compact_all(filled, time.time())
    write(filled, [3.0])
    now_s = time.time()
    late = change(filled, watermarks)
    assert all(late[length] <= now_s // 60 - 3 * 24 * 60 for length in LONG_SPANS)
    assert all(late[length] == min(there[length], late[length]) for length in LONG_SPANS)
    before = everything(filled, now_s)
    assert before["/all totals/requests"] == REQUESTS + 1
    compact_all(filled, now_s)
    assert not differing(everything(filled, now_s), before)


def test_a_clock_that_was_ahead_hides_nothing(filled: str) -> None:
    """Spans were built up to next year; what is written now is read all the same, before and after they
    are built again.
    """
    now_s = time.time()
    ahead = int(now_s) // 60 + 365 * DAY
    compact_all(filled, ahead * 60)  # with the minutes of just now, as that clock had them
    change(
        filled,
        lambda connection: connection.execute(
            update(WATERMARKS).values(until=ahead - ahead % WATERMARKS.c.minutes)
        ),
    )
    write(filled, [0.0])
    for _ in range(2):
        assert everything(filled, time.time())["/all totals/requests"] == REQUESTS + 1
        compact_all(filled, time.time())


def test_what_retention_leaves_is_read(filled: str) -> None:
    """Roll-ups are deleted up to some minute in the middle of a span: what is left is read from what is
    left.
    """
    now_s = time.time()
    compact_all(filled, now_s)
    until = int(now_s) // 60 - 20 * 24 * 60 + 7

    async def prune(connection: AsyncConnection) -> None:
        while await prune_rollups(connection, until):
            pass

    change(filled, prune)
    pruned = everything(filled, now_s)
    assert pruned["/all totals/requests"] < REQUESTS
    change(filled, forget_stretches)
    assert not differing(everything(filled, now_s), pruned)


def test_the_writer_builds_them_beside_its_work(filled: str) -> None:
    """A database from before there were spans: the next start builds them all, in turns, and ends at once
    when told.
    """
    sink = StoreSink(filled, 10, batch_s=0.001)
    sink.start()
    deadline = time.monotonic() + 60
    while change(filled, watermarks).keys() != set(LONG_SPANS) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sink.stop(10)
    assert all(count(filled, table) for table in LONG_TABLES)
    assert work(filled, inspection.verify) == []


def test_verify_finds_a_stretch_that_is_not_the_sum_of_its_minutes(filled: str) -> None:
    """Counted by length, with the remedy."""
    compact_all(filled, time.time())
    assert work(filled, inspection.verify) == []
    table = COUNTERS.longer
    change(
        filled,
        lambda connection: connection.execute(
            update(table).where(table.c.minutes == HOUR).values(requests=table.c.requests + 1)
        ),
    )
    wrong = work(filled, inspection.verify)
    assert len(wrong) == 1
    assert wrong[0].startswith("roll-ups of 60 minutes: ")


def test_verify_finds_roll_ups_of_a_series_that_is_not_there(filled: str) -> None:
    """No foreign key holds them: each table is looked through."""
    change(filled, lambda connection: connection.execute(delete(SERIES)))
    wrong = work(filled, inspection.verify)
    assert [line.partition(":")[0] for line in wrong] == [table.name for table in MINUTE_TABLES]


def test_a_database_from_before_there_were_stretches(filled: str) -> None:
    """The way back leaves the minutes as they are, and so does the way up again."""
    now_s = time.time()
    before = everything(filled, now_s)
    compact_all(filled, now_s)
    take_schema_back(filled, "0009")
    migrate.upgrade(filled)
    assert count(filled, WATERMARKS) == 0
    assert not differing(everything(filled, now_s), before)
    write(filled, [0.0])
    assert everything(filled, time.time())["/all totals/requests"] == REQUESTS + 1
