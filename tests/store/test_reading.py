"""What reads the store, on SQLite and on PostgreSQL alike: reports, the ledger, pages, export, contents,
checks.
"""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.context_buckets import ContextBuckets
from telemetry.store import export, inspection
from telemetry.store.engine import create_reader
from telemetry.store.formats import Format
from telemetry.store.queries import requests, statistics
from telemetry.store.queries.ledger import ledger
from telemetry.store.queries.report import report
from telemetry.store.queries.requests import Cursor, RequestFilter
from telemetry.store.queries.windows import WINDOWS, By, window_of
from telemetry.store.rollups.measures import Measure
from tests.store.test_retention import DAY_MS, fill
from tests.telemetry.records import MODEL

DAYS, REQUESTS = 5, 40


@pytest.fixture
def filled(url: str) -> str:
    """Five days with eight requests each, all alike."""
    fill(url, REQUESTS, first_days_ago=DAYS - 0.01, apart_ms=DAY_MS / 8)
    return url


def read(url: str, work: Callable[[AsyncEngine], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        engine = create_reader(url)
        try:
            return await work(engine)
        finally:
            await engine.dispose()

    return asyncio.run(run())


@pytest.mark.parametrize("by", list(By))
def test_reports(filled: str, by: By) -> None:
    """Sums and percentiles by context, configuration and day; a window and a model leave the others out."""
    buckets = ContextBuckets().labels
    rows = read(filled, lambda engine: report(engine, WINDOWS["all"], by, time.time(), buckets=buckets))
    assert sum(row.requests for row in rows) == REQUESTS
    assert {row.cached_share for row in rows} == {1 / 6}
    assert [row.ttft_ms.p50 for row in rows] == [pytest.approx(109.5, rel=0.01)] * len(rows)
    assert [row.queue_ms.p50 for row in rows] == [pytest.approx(5, rel=0.01)] * len(rows)
    assert len(rows) == (1 if by is not By.DAY else len({row.group for row in rows}))
    recent = read(
        filled, lambda engine: report(engine, window_of("36h"), by, time.time(), model=MODEL, buckets=buckets)
    )
    assert sum(row.requests for row in recent) == 12
    assert (
        read(
            filled,
            lambda engine: report(engine, WINDOWS["all"], by, time.time(), model="other", buckets=buckets),
        )
        == []
    )


def test_ledger_and_charts(filled: str) -> None:
    """The cache's ledger adds up, and a chart has its points, at most 120, with all requests in them."""
    entry = read(filled, lambda engine: ledger(engine, WINDOWS["all"], time.time()))[0]
    assert (entry.model, entry.reason, entry.source, entry.lookups) == (MODEL, "appended", "kv", REQUESTS)
    assert (entry.cached_tokens, entry.computed_tokens, entry.computed_s) == (
        100 * REQUESTS,
        500 * REQUESTS,
        pytest.approx(0.1 * REQUESTS),
    )
    for window in WINDOWS.values():
        points = read(filled, partial(statistics.points, window=window, now_s=time.time()))
        assert len(points) <= statistics.MAX_POINTS
    assert sum(point.requests for point in points) == REQUESTS
    assert {round(point.percentiles(Measure.TTFT).p50 or 0) for point in points if point.requests} == {109}


def test_pages_and_export(filled: str) -> None:
    """Pages and the export have the same requests, the export oldest first, as JSON and Parquet, with all
    columns.
    """
    page = read(filled, lambda engine: requests.page(engine, RequestFilter(), Cursor(), 100))
    since = datetime.now(UTC) - timedelta(hours=36)

    async def exported(engine: AsyncEngine) -> list[export.Record]:
        return [record async for records in export.pages(engine, export.Range()) for record in records]

    records = read(filled, exported)
    assert [record["seq"] for record in records] == [row.seq for row in reversed(page.rows)]
    assert read(filled, lambda engine: export.count(engine, export.Range(since=since))) == 12
    for form in Format:
        file = io.BytesIO()
        writer = export.writer(form, file)
        writer.page(records)
        writer.close()
        assert len(file.getvalue()) > 1000
    assert json.loads(json.dumps(records[0]["params"])) == {"max_tokens": 4, "temperature": 0}
    assert records[0]["started_at"].tzinfo is not None


def test_contents_and_checks(filled: str) -> None:
    """Rows by table; a sound database has no problems."""
    found = read(filled, inspection.contents)
    assert (found.rows["requests"], found.rows["request_phases"]) == (REQUESTS, REQUESTS)
    assert found.newest is not None
    assert found.oldest is not None
    assert found.newest - found.oldest > timedelta(days=4)
    assert (found.used_bytes is None) == filled.startswith("postgresql")
    assert read(filled, inspection.verify) == []
