"""The read side: paging without holes, and window statistics that equal a direct count."""

from __future__ import annotations

import asyncio
import random
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, literal, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from telemetry.histogram import bucket_of
from telemetry.store.models import PhasesRow, RequestRow
from telemetry.store.queries import groups, requests, statistics
from telemetry.store.queries.reading import StoreUnreadable, fetch
from telemetry.store.queries.requests import Cursor, RequestFilter
from telemetry.store.queries.windows import WINDOWS
from telemetry.store.rollup_models import HistogramRow, RollupRow, SeriesRow
from telemetry.store.rollups.measures import Measure
from tests.dashboard.conftest import Pages
from tests.dashboard.samples import CONFIG, MODEL, NOW, row
from tests.dashboard.site import empty_database

NOW_S = NOW.timestamp()


@settings(max_examples=15, deadline=None)
@given(how_many=st.integers(0, 23), size=st.integers(1, 7), failed=st.sets(st.integers(0, 22)))
def test_paging_meets_every_request_once(how_many: int, size: int, failed: set[int]) -> None:
    """Forward to the end and back again, filtered: each request once, newest first, and the same pages."""

    async def walk() -> None:
        with tempfile.TemporaryDirectory() as folder:
            engine = await empty_database(Path(folder) / "store.db")
            async with AsyncSession(engine) as session:
                session.add_all(
                    row(
                        NOW - timedelta(seconds=n),
                        n,
                        engine_config_id=None,
                        status="error" if n in failed else "ok",
                    )
                    for n in range(how_many)
                )
                await session.commit()
            wanted = [n for n in range(how_many) if n not in failed]
            forward, newest = await _walk(engine, size)
            assert [int(found.id[4:], 16) for page in forward for found in page] == wanted
            if newest is not None:
                assert [[found.seq for found in page] for page in await _back(engine, size, newest)] == [
                    [found.seq for found in page] for page in reversed(forward[:-1])
                ]
            await engine.dispose()

    asyncio.run(walk())


async def _walk(engine: AsyncEngine, size: int) -> tuple[list[list[RequestRow]], Cursor | None]:
    pages, cursor, newer = [], Cursor(), None
    while True:
        page = await requests.page(engine, RequestFilter(status="ok"), cursor, size)
        pages.append(page.rows)
        newer = page.newer
        if page.older is None:
            return pages, newer
        cursor = page.older


async def _back(engine: AsyncEngine, size: int, cursor: Cursor | None) -> list[list[RequestRow]]:
    pages = []
    while cursor is not None:
        page = await requests.page(engine, RequestFilter(status="ok"), cursor, size)
        pages.append(page.rows)
        cursor = page.newer
    return pages


def test_filters_bound_model_status_and_time(busy: Pages) -> None:
    """Each filter holds alone and together; `since` is inclusive and `until` exclusive."""

    async def ask() -> None:
        engine, edge = busy.site.engine, NOW - timedelta(seconds=20 + 47)
        later = await requests.page(engine, RequestFilter(since=edge), Cursor())
        assert [found.id for found in later.rows] == [f"req_{n:024x}" for n in range(2)]
        earlier = await requests.page(engine, RequestFilter(until=edge), Cursor(), 1)
        assert earlier.rows[0].id == f"req_{2:024x}"
        assert not (await requests.page(engine, RequestFilter(model="another"), Cursor())).rows
        assert {
            found.status
            for found in (await requests.page(engine, RequestFilter(MODEL, "error"), Cursor())).rows
        } == {"error"}
        assert await requests.models(engine) == [MODEL]

    busy.run(ask())


def test_a_window_merges_buckets_instead_of_averaging(pages: Pages) -> None:
    """Percentiles over minutes and series equal those of all values together, within a bucket; older
    minutes are left out.
    """
    rng, minute = random.Random(3), int(NOW_S) // 60
    values = [rng.lognormvariate(5, 1) for _ in range(400)]

    async def fill() -> None:
        async with AsyncSession(pages.site.engine) as session:
            session.add_all(
                SeriesRow(id=n, model=f"m{n}", engine_config_id=CONFIG.config_id, context_bucket="0-512")
                for n in (1, 2)
            )
            counts: dict[tuple[int, int, int], int] = {}
            for index, value in enumerate(values):
                key = (minute - index % 15, 1 + index % 2, bucket_of(value * 1000))
                counts[key] = counts.get(key, 0) + 1
            session.add_all(
                HistogramRow(minute=m, series_id=s, measure="ttft", bucket=b, count=n)
                for (m, s, b), n in counts.items()
            )
            for m in (minute, minute - 14, minute - 15):
                session.add(
                    RollupRow(
                        minute=m,
                        series_id=1,
                        requests=10,
                        errors=1,
                        cancelled=2,
                        prompt_tokens=3,
                        cached_tokens=4,
                        completion_tokens=5,
                    )
                )
            session.add(HistogramRow(minute=minute - 15, series_id=1, measure="ttft", bucket=9999, count=9))
            session.add(
                HistogramRow(minute=minute, series_id=1, measure="of_a_newer_version", bucket=1, count=1)
            )
            await session.commit()

    async def ask() -> None:
        engine, window = pages.site.engine, WINDOWS["15m"]
        assert not await statistics.has_rollups(engine)
        await fill()
        assert await statistics.has_rollups(engine)
        ttft = (await statistics.percentiles(engine, window, NOW_S))[Measure.TTFT]
        ordered = sorted(values)
        assert ttft.count == 400
        percentiles = [ttft.p5, ttft.p50, ttft.p95, ttft.p99]
        assert percentiles == pytest.approx([ordered[n - 1] for n in (20, 200, 380, 396)], rel=0.01)
        totals = await statistics.totals(engine, window, NOW_S)
        assert (totals.requests, totals.errors, totals.cancelled, totals.prompt_tokens) == (20, 2, 4, 6)
        assert (await statistics.totals(engine, WINDOWS["all"], NOW_S)).requests == 30
        assert {
            group.model: group.percentiles(Measure.TTFT).count
            for group in await groups.by_context(engine, window, NOW_S)
            if group.totals.requests
        } == {"m1": 200}

    pages.run(ask())


@pytest.mark.parametrize("key", WINDOWS)
def test_points_hold_every_request_of_the_window(busy: Pages, key: str) -> None:
    """At most 120 steps whose requests add up to the window's total, the present step included."""
    points = busy.run(statistics.points(busy.site.engine, WINDOWS[key], NOW_S))
    totals = busy.run(statistics.totals(busy.site.engine, WINDOWS[key], NOW_S))
    assert len(points) <= statistics.MAX_POINTS + 1
    assert sum(point.requests for point in points) == totals.requests
    assert points[-1].start_s <= NOW_S < points[-1].start_s + points[-1].minutes * 60


def test_no_requests_no_points(pages: Pages) -> None:
    """Over all time an empty store has no chart; over a window it has an empty one."""
    assert pages.run(statistics.points(pages.site.engine, WINDOWS["all"], NOW_S)) == []
    assert len(pages.run(statistics.points(pages.site.engine, WINDOWS["15m"], NOW_S))) == 15


def test_damaged_phases_are_told(pages: Pages) -> None:
    """Bytes that are no phases are a store that cannot be read, not a crash."""

    async def fill() -> None:
        async with AsyncSession(pages.site.engine) as session:
            made = row(NOW, 1, engine_config_id=None)
            session.add(made)
            await session.flush()
            session.add(PhasesRow(seq=made.seq, phases=b"\xc1"))
            await session.commit()

    pages.run(fill())
    with pytest.raises(StoreUnreadable, match="damaged"):
        pages.run(requests.one(pages.site.engine, f"req_{1:024x}"))


def test_a_reader_that_leaves_harms_no_connection(tmp_path: Path) -> None:
    """A read that is cancelled is over at once for who asked; its connection comes back, and the next read
    works.
    """

    async def work() -> None:
        engine = await empty_database(tmp_path / "store.db")
        numbers = select(literal(1).label("n")).cte(recursive=True)
        slow = select(func.count()).select_from(
            numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < 1_000_000))
        )
        for _ in range(3):
            reading = asyncio.ensure_future(fetch(engine, slow))
            await asyncio.sleep(0.05)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
        while engine.pool.checkedout():  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)
        assert not await statistics.has_rollups(engine)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await engine.dispose()

    asyncio.run(work())
