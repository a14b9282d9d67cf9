"""Longer spans of roll-ups: every read gives the same figures with them as from minutes alone, on both
databases.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, is_dataclass
from typing import Any, TypeVar

import pytest
from sqlalchemy import Table, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telemetry.context_buckets import ContextBuckets
from telemetry.events import Status
from telemetry.recorder import Ended
from telemetry.slo import BURN_MINUTES, Objective
from telemetry.store import inspection, migrate
from telemetry.store.batch import SERIES
from telemetry.store.engine import create_reader, create_writer
from telemetry.store.queries import groups, phases, slo, speed, statistics
from telemetry.store.queries.ledger import ledger
from telemetry.store.queries.report import report
from telemetry.store.queries.windows import By, Window, window_of
from telemetry.store.retention import prune_rollups
from telemetry.store.rollups.compaction import compact, watermarks
from telemetry.store.rollups.measures import Measure
from telemetry.store.rollups.spans import DAY, HOUR, LONG_SPANS
from telemetry.store.rollups.tables import COUNTERS, LONG_TABLES, MINUTE_TABLES, WATERMARKS
from telemetry.store.writer import StoreSink
from tests.store.test_charges import take_schema_back
from tests.telemetry.records import CONFIG, MS, ManualClock, answer, open_record, recorder

T = TypeVar("T")

DAYS, REQUESTS = 75, 400
DAY_NS = 24 * 60 * 60 * 10**9
WINDOWS = [window_of(text) for text in ("15m", "1h", "17h", "24h", "7d", "40d", "all")]
OBJECTIVES = (
    Objective("ttft", 0.95, 150),
    Objective("inter_token", 0.95, 30),
    Objective("availability", 0.999),
)


@pytest.fixture
def filled(url: str) -> str:
    """Months of requests of two models and configurations; half of them in the last two days."""
    write(url, [DAYS * draw**8 for draw in (random.Random(number).random() for number in range(REQUESTS))])
    return url


def write(url: str, days_ago: list[float]) -> None:
    """Requests that ended so long ago, oldest first, through the real writer."""
    draw = random.Random(len(days_ago))
    clock, now_ns = ManualClock(), time.time_ns()
    oldest = max(days_ago)
    sink = StoreSink(url, 2 * len(days_ago) + 10, batch_s=0.01)
    for config in ("cfg-1", "cfg-2"):
        sink.engine_config(type(CONFIG)(**(asdict(CONFIG) | {"config_id": config})))
    sink.start()
    rec = recorder(clock, sink, wall_ns=now_ns - round(oldest * DAY_NS))
    began_ns = clock.now_ns
    for days in sorted(days_ago, reverse=True):
        clock.now_ns = began_ns + round((oldest - days) * DAY_NS) - 400 * MS
        record = open_record(rec, clock)
        rec.admit(record)
        answer(
            rec,
            clock,
            record,
            gaps_ms=tuple(draw.uniform(5, 40) for _ in range(draw.randrange(2, 6))),
            chunks=draw.choice((1, 2, 3)),
        )
        record.engine_config_id = "cfg-1" if days > DAYS / 4 else "cfg-2"
        record.energy_j, record.cost = draw.uniform(0, 9), draw.uniform(0, 0.1)
        record.model = draw.choice(("tiny", "other"))
        ended = draw.choice(
            (Ended(Status.OK, 200), Ended(Status.OK, 200), Ended(Status.ERROR, 500, "engine_failed"))
        )
        rec.close(record, ended)
    assert sink.stop(60)


def work(
    url: str,
    what: Callable[[AsyncEngine], Awaitable[T]],
    create: Callable[[str], AsyncEngine] = create_reader,
) -> T:
    async def run() -> T:
        engine = create(url)
        try:
            return await what(engine)
        finally:
            await engine.dispose()

    return asyncio.run(run())


def change(url: str, what: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    async def run(engine: AsyncEngine) -> T:
        async with engine.begin() as connection:
            return await what(connection)

    return work(url, run, create_writer)


def compact_all(url: str, now_s: float) -> dict[int, int]:
    """Build every span that is over; returns the watermarks."""

    async def run(connection: AsyncConnection) -> dict[int, int]:
        while await compact(connection, int(now_s) // 60):
            pass
        return await watermarks(connection)

    return change(url, run)


def everything(url: str, now_s: float) -> dict[str, Any]:
    """What every read of the roll-ups gives, by name and place."""

    async def run(engine: AsyncEngine) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for window in WINDOWS:
            found |= {
                f"{window.key} {name}": value
                for name, value in (await of_window(engine, window, now_s)).items()
            }
        for objective in OBJECTIVES:
            found[objective.name] = await slo.counts(engine, objective, (*BURN_MINUTES, 30 * 24 * 60), now_s)
        found["speed"] = await speed.changes(engine, now_s)
        found["expected"] = await speed.expected(engine, "cfg-2", "512-1k", 50.0, now_s)
        return found

    return flat(work(url, run))


async def of_window(engine: AsyncEngine, window: Window, now_s: float) -> dict[str, Any]:
    found: dict[str, Any] = {
        "totals": await statistics.totals(engine, window, now_s),
        "spreads": await statistics.percentiles(engine, window, now_s),
        "points": await statistics.points(engine, window, now_s),
        "ledger": sorted(await ledger(engine, window, now_s), key=lambda entry: entry.model),
        "phases": await phases.by_context(engine, window, now_s, "tiny"),
        "together": (await groups.by_context_and_together(engine, window, now_s, "other"))[1],
    }
    for by in By:
        found[by] = await report(engine, window, by, now_s, buckets=ContextBuckets().labels)
    steps = await statistics.steps_of(engine, window, now_s, 30)
    if steps is not None:
        found["heat"] = await groups.by_step_and_context(engine, steps, Measure.TTFT)
        found["stack"] = await phases.over_time(engine, steps.first, steps.minutes)
    return found


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Single values by their place."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, list):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return {path: value}
    return {
        place: single for key, part in value.items() for place, single in flat(part, f"{path}/{key}").items()
    }


def differing(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The places where two readings are not the same: what was found and what was expected."""
    both = {place: (found.get(place), expected.get(place)) for place in found.keys() | expected.keys()}
    return {place: pair for place, pair in both.items() if pair[0] != pytest.approx(pair[1])}


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
