"""The three forms of inserting, on both databases: many rows, and every kind of value, in both directions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from telemetry import histogram
from telemetry.store.batch import REQUESTS
from telemetry.store.engine import create_writer
from telemetry.store.inserts import MAX_ROWS, Insert
from telemetry.store.rollups.measures import Measure
from telemetry.store.rollups.rollup import roll_up
from telemetry.store.rollups.tables import HISTOGRAMS
from telemetry.store.rows import Row, request_row
from tests.telemetry.records import CONFIG, completed

NAMES = ("minute", "series_id", "measure", "bucket", "count")


def inserted(url: str, work: Callable[[Insert], Awaitable[Any]], read: Any) -> list[tuple[Any, ...]]:
    """What a statement gives after the work."""

    async def run() -> list[tuple[Any, ...]]:
        engine = create_writer(url)
        try:
            async with engine.begin() as connection:
                await work(Insert(connection))
                return [tuple(row) for row in await connection.execute(read)]
        finally:
            await engine.dispose()

    return asyncio.run(run())


def request(seq: int = 7) -> Row:
    """The row of an ended request, without its configuration."""
    params = {"temperature": 0.5, "stop": None, "logprobs": True}
    return request_row(completed()) | {"seq": seq, "engine_config_id": None, "params": params}


def test_numbers_add_up(url: str) -> None:
    """More rows than one call takes, three times: each count is three times what was given."""
    rows = [(minute, 1, "ttft", -(10**6) if minute == 5 else 3, minute) for minute in range(2 * MAX_ROWS + 1)]

    async def thrice(insert: Insert) -> None:
        for _ in range(3):
            await insert.add(HISTOGRAMS, NAMES, rows)

    columns = [HISTOGRAMS.c[name] for name in NAMES]
    assert inserted(url, thrice, select(*columns).order_by(HISTOGRAMS.c.minute)) == [
        (*row[:-1], 3 * row[-1]) for row in rows
    ]


def test_every_kind_of_value_comes_back(url: str) -> None:
    """Numbers, texts, flags, dates, JSON and NULL, of a row that was there with other values."""
    row = request() | {
        "started_at": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        "model": "né ☃",
        "stream": False,
    }

    async def twice(insert: Insert) -> None:
        await insert.replace(
            REQUESTS,
            [row | {"model": None, "params": {}, "stream": True, "status": "running", "total_ms": None}],
        )
        await insert.replace(REQUESTS, [row])

    (found,) = inserted(url, twice, select(*(REQUESTS.c[name] for name in row)))
    stored = dict(zip(row, found, strict=True))
    stored["started_at"] = stored["started_at"].replace(tzinfo=UTC)  # SQLite keeps none
    assert stored == row


def test_a_row_that_is_there_is_kept(url: str) -> None:
    """Ignoring adds what is missing only."""

    async def both(insert: Insert) -> None:
        await insert.ignore(REQUESTS, [request(1) | {"model": "first"}])
        await insert.ignore(REQUESTS, [request(1) | {"model": "second"}, request(2) | {"model": "second"}])
        await insert.ignore(REQUESTS, [])

    read = select(REQUESTS.c.seq, REQUESTS.c.model).order_by(REQUESTS.c.seq)
    assert inserted(url, both, read) == [(1, "first"), (2, "second")]


def test_a_text_that_is_too_long_is_never_cut(url: str) -> None:
    """PostgreSQL refuses it, also in an array: a cast to the column's type would cut it silently. SQLite
    has no lengths.
    """
    long = request() | {"api": "x" * 33}
    refused = pytest.raises(DBAPIError, match="too long") if url.startswith("postgresql") else nullcontext()
    with refused:
        assert inserted(url, lambda insert: insert.replace(REQUESTS, [long]), select(REQUESTS.c.api)) == [
            ("x" * 33,)
        ]


@pytest.mark.parametrize("gaps", [[], [1, 1024, 5, 5, 0], [7000, 8000, 2**31]])
def test_gaps_are_counted_together(gaps: list[int]) -> None:
    """Each roll-up has exactly the buckets that counting its own requests' gaps one by one gives."""
    records = [completed() for _ in range(4)]
    for number, record in enumerate(records):
        record.model, record.gaps_us = "ab"[number % 2], [gap * (number + 1) for gap in gaps]
    rolled = roll_up(records, {"a", "b"}, {CONFIG.config_id})
    for (_, (model, _, _)), rollup in rolled.items():
        own = [float(gap) for record in records if record.model == model for gap in record.gaps_us]
        assert rollup.histograms.get(Measure.INTER_TOKEN, {}) == histogram.count(own)
    assert len(rolled) == 2


def test_nothing_is_nothing(url: str) -> None:
    """No rows, no statement."""
    assert inserted(
        url, lambda insert: insert.add(HISTOGRAMS, NAMES, []), select(func.count()).select_from(HISTOGRAMS)
    ) == [(0,)]
