"""Every read of the store that a page, `/api/stats`, `firsttoken stats` or a watch makes; how long each
takes, and by which plan.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.figures import percentile
from telemetry.context_buckets import ContextBuckets
from telemetry.slo import BURN_MINUTES, Objective
from telemetry.store.queries import conversations, groups, phases, requests, slo, speed, statistics
from telemetry.store.queries.cached import cache_share
from telemetry.store.queries.ledger import ledger
from telemetry.store.queries.report import report
from telemetry.store.queries.requests import Cursor, RequestFilter
from telemetry.store.queries.windows import WINDOWS, By, Window
from telemetry.store.rollups.measures import Measure

Read = Callable[[AsyncEngine], Awaitable[Any]]

OBJECTIVES = (
    Objective("ttft", 0.95, 2000),
    Objective("inter_token", 0.95, 100),
    Objective("availability", 0.999),
)
SLO_MINUTES = 30 * 24 * 60
HEAT_STEPS, STACK_STEPS = 16, 60
"""As the latency page has them."""


@dataclass(frozen=True, slots=True)
class Timed:
    """One read: milliseconds of each time, without the first."""

    name: str
    times_ms: list[float]

    @property
    def p50(self) -> float:
        """Median, in ms."""
        return percentile(self.times_ms, 0.5)

    @property
    def p95(self) -> float:
        """In ms."""
        return percentile(self.times_ms, 0.95)


def reads(seq: int, request_id: str) -> dict[str, Read]:
    """All reads by name; `seq` and `request_id` are of some request in the middle."""
    return _windowed() | _lists(seq, request_id) | _watches()


def _windowed() -> dict[str, Read]:
    found: dict[str, Read] = {}
    for key, window in WINDOWS.items():
        found |= {f"{name} {key}": _of(read, window) for name, read in _OF_WINDOW.items()}
    return found


def _of(read: Callable[[AsyncEngine, Window, float], Awaitable[Any]], window: Window) -> Read:
    return lambda engine: read(engine, window, time.time())


def _report(by: By) -> Callable[[AsyncEngine, Window, float], Awaitable[Any]]:
    return lambda engine, window, now_s: report(engine, window, by, now_s, buckets=ContextBuckets().labels)


async def _over_time(engine: AsyncEngine, window: Window, now_s: float) -> None:
    steps = await statistics.steps_of(engine, window, now_s, STACK_STEPS)
    assert steps is not None
    await phases.over_time(engine, steps.first, steps.minutes)


async def _heat(engine: AsyncEngine, window: Window, now_s: float) -> None:
    steps = await statistics.steps_of(engine, window, now_s, HEAT_STEPS)
    assert steps is not None
    await groups.by_step_and_context(engine, steps, Measure.TTFT)


_OF_WINDOW: Mapping[str, Callable[[AsyncEngine, Window, float], Awaitable[Any]]] = {
    "totals": statistics.totals,
    "spreads": statistics.percentiles,
    "points": statistics.points,
    "ledger": ledger,
    "cached share": cache_share,
    "phases": phases.by_context,
    "phases over time": _over_time,
    "heat map": _heat,
    "groups together": groups.by_context_and_together,
    **{f"by {by}": _report(by) for by in By},
}


def _lists(seq: int, request_id: str) -> dict[str, Read]:
    lately = datetime.now(UTC) - timedelta(hours=1)
    lists = {
        "newest": (RequestFilter(), Cursor()),
        "deep": (RequestFilter(), Cursor(before=seq)),
        "back": (RequestFilter(), Cursor(after=seq)),
        "model": (RequestFilter(model="llama3.1:8b"), Cursor(before=seq)),
        "unknown model": (RequestFilter(model="none"), Cursor()),
        "errors": (RequestFilter(status="error"), Cursor(before=seq)),
        "running": (RequestFilter(status="running"), Cursor()),
        "errors of a model": (RequestFilter(model="llama3.1:8b", status="error"), Cursor()),
        "running of a model": (RequestFilter(model="smollm2:135m", status="running"), Cursor()),
        "a size of prompts": (RequestFilter(context="8k-16k"), Cursor(before=seq)),
        "last hour": (RequestFilter(since=lately), Cursor()),
    }
    found: dict[str, Read] = {f"page: {name}": _page(*asked) for name, asked in lists.items()}
    return found | {
        "conversations: newest": lambda engine: conversations.page(engine, Cursor()),
        "conversations: deep": lambda engine: conversations.page(engine, Cursor(before=seq)),
        "conversations: back": lambda engine: conversations.page(engine, Cursor(after=seq)),
        "turns": lambda engine: conversations.turns(engine, "chat-1000"),
        "one request": lambda engine: requests.one(engine, request_id),
        "models": requests.models,
        "configurations": requests.configurations,
        "anything": statistics.has_rollups,
    }


def _page(wanted: RequestFilter, cursor: Cursor) -> Read:
    return lambda engine: requests.page(engine, wanted, cursor)


def _watches() -> dict[str, Read]:
    found: dict[str, Read] = {}
    for objective in OBJECTIVES:
        found[f"objective {objective.name}"] = _counts(objective, (*BURN_MINUTES, SLO_MINUTES))
    found["speed changes"] = lambda engine: speed.changes(engine, time.time())
    found["expected speed"] = lambda engine: speed.expected(engine, "qwen3-2", "1k-2k", 80.0, time.time())
    found["speed changes known"] = speed.known
    return found


def _counts(objective: Objective, minutes: tuple[int, ...]) -> Read:
    return lambda engine: slo.counts(engine, objective, minutes, time.time())


async def timed(engine: AsyncEngine, name: str, read: Read, times: int) -> Timed:
    """Run a read, once to warm up and then `times`."""
    found = []
    for _ in range(times + 1):
        began = time.perf_counter()
        await read(engine)
        found.append((time.perf_counter() - began) * 1e3)
    return Timed(name, found[1:])


async def plan(engine: AsyncEngine, read: Read) -> list[str]:
    """How the database answers a read: the lines of `EXPLAIN` of each of its statements."""
    with _statements(engine) as statements:
        await read(engine)
    prefix = "EXPLAIN QUERY PLAN " if engine.dialect.name == "sqlite" else "EXPLAIN "
    lines = []
    async with engine.connect() as connection:
        for statement, parameters in statements:
            found = await connection.exec_driver_sql(prefix + statement, parameters)
            lines += [str(row[-1]) for row in found.all()]
    return lines


@contextmanager
def _statements(engine: AsyncEngine) -> Iterator[list[tuple[str, Any]]]:
    """Every statement that is executed meanwhile, with its parameters."""
    found: list[tuple[str, Any]] = []

    def note(_connection: Connection, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        found.append((statement, parameters))

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)
