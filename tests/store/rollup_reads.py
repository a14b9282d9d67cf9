"""A database with months of requests, and what every read of its roll-ups gives."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, is_dataclass
from typing import Any, TypeVar

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telemetry.context_buckets import ContextBuckets
from telemetry.events import Status
from telemetry.recorder import Ended
from telemetry.slo import BURN_MINUTES, Objective
from telemetry.store.engine import create_reader, create_writer
from telemetry.store.queries import groups, phases, slo, speed, statistics
from telemetry.store.queries.ledger import ledger
from telemetry.store.queries.report import report
from telemetry.store.queries.windows import By, Window, window_of
from telemetry.store.rollups.compaction import compact, watermarks
from telemetry.store.rollups.measures import Measure
from telemetry.store.writer import StoreSink
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
