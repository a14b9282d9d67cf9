"""What the store forgets, on real database files: by age, by size, never what runs, and the file gets
smaller.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from telemetry.clock import ClockAnchor, WallClock
from telemetry.events import Status
from telemetry.recorder import Ended
from telemetry.store.engine import create_reader, create_writer
from telemetry.store.retention import CHUNK_ROWS, Pruner, Retention
from telemetry.store.seq import moment_of, seq_at
from telemetry.store.writer import StoreSink
from tests.store.test_store import rows, url_of
from tests.telemetry.records import ManualClock, answer, open_record, recorder

DAY_MS = 24 * 60 * 60 * 1000.0


@pytest.fixture
def path(sqlite: str) -> Path:
    """A database file at the newest revision."""
    return Path(str(make_url(sqlite).database))


def fill(
    url: str, requests: int, *, first_days_ago: float, apart_ms: float, gaps: int = 3, running: bool = False
) -> None:
    """Write ended requests, evenly apart, through the real writer; with `running`, the first one never
    ends.
    """
    now_ns = time.time_ns()
    clock = ManualClock()
    sink = StoreSink(url, requests * 2 + 10, batch_s=0.01)
    sink.start()
    rec = recorder(clock, sink, wall_ns=now_ns - round(first_days_ago * DAY_MS * 1e6))
    for index in range(requests):
        began_ns = clock.now_ns
        record = open_record(rec, clock)
        rec.admit(record)
        if not (running and index == 0):
            answer(rec, clock, record, gaps_ms=(1.0,) * gaps)
            rec.close(record, Ended(Status.OK, 200))
        clock.now_ns = began_ns + round(apart_ms * 1e6)
    assert sink.stop(60)


def keep(url: str, retention: Retention) -> Pruner:
    """Apply a retention until nothing is left to do."""

    async def work() -> Pruner:
        engine, pruner = create_writer(url), Pruner(retention)
        while pruner.wait_s() == 0:
            await pruner.run_once(engine)
        await engine.dispose()
        return pruner

    return asyncio.run(work())


def query(url: str, sql: str) -> list[tuple[object, ...]]:
    """The rows of a statement, on either database."""

    async def work() -> list[tuple[object, ...]]:
        engine = create_reader(url)
        async with engine.connect() as connection:
            found = [tuple(row) for row in (await connection.exec_driver_sql(sql)).all()]
        await engine.dispose()
        return found

    return asyncio.run(work())


def count(url: str, table: str) -> int:
    return int(str(query(url, f"SELECT count(*) FROM {table}")[0][0]))


def test_old_requests_go_and_running_ones_stay(url: str) -> None:
    """Older than the limit goes, with its phases; the roll-ups stay; a request that still runs stays
    whatever its age.
    """
    fill(url, 40, first_days_ago=19.75, apart_ms=DAY_MS / 2, running=True)
    pruner = keep(url, Retention(request_days=10))
    assert pruner.pruned == 19
    assert (count(url, "requests"), count(url, "request_phases")) == (21, 20)
    assert query(url, "SELECT status, count(*) FROM requests GROUP BY 1 ORDER BY 1") == [
        ("ok", 20),
        ("running", 1),
    ]
    assert query(url, "SELECT sum(requests) FROM rollups") == [(39,)]
    oldest = moment_of(int(str(query(url, "SELECT min(seq) FROM requests WHERE status = 'ok'")[0][0])))
    assert datetime.now(UTC) - oldest < timedelta(days=10, minutes=5)


def test_old_rollups_go(url: str) -> None:
    """Counters, histograms and the cache's ledger of old minutes go, a day at a time; the series stay."""
    fill(url, 30, first_days_ago=29.5, apart_ms=DAY_MS)
    keep(url, Retention(rollup_days=10))
    limit = int(time.time() // 60) - 10 * 24 * 60
    for table in ("rollups", "rollup_histograms", "rollup_cache", "rollup_phases"):
        assert count(url, table) > 0
        assert int(str(query(url, f"SELECT min(minute) FROM {table}")[0][0])) >= limit - 1
    assert query(url, "SELECT sum(requests) FROM rollups") == [(10,)]
    assert (count(url, "requests"), count(url, "series")) == (30, 1)


def test_the_file_shrinks_to_its_cap(path: Path) -> None:
    """Above the cap the oldest requests go until there is room again, and the file itself gets smaller
    without VACUUM.
    """
    fill(url_of(path), 3 * CHUNK_ROWS, first_days_ago=1, apart_ms=1000, gaps=60)
    before = path.stat().st_size
    cap = before * 6 // 10
    newest = rows(path, "SELECT max(seq) FROM requests")
    keep(url_of(path), Retention(max_bytes=cap))
    sqlite3.connect(path).execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert 0 < count(url_of(path), "requests") < 3 * CHUNK_ROWS
    assert rows(path, "SELECT max(seq) FROM requests") == newest
    assert path.stat().st_size <= cap
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


def test_nothing_goes_without_limits(url: str) -> None:
    """0 is no limit; and a database below its cap loses nothing."""
    fill(url, 20, first_days_ago=300, apart_ms=DAY_MS)
    keep(url, Retention())
    keep(url, Retention(max_bytes=10**9))
    assert (count(url, "requests"), query(url, "SELECT sum(requests) FROM rollups")) == (20, [(20,)])


def test_a_cap_below_the_schema_ends(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing is left that could go, it says so and ends instead of turning for ever."""
    fill(url_of(path), 5, first_days_ago=1, apart_ms=1000)
    keep(url_of(path), Retention(max_bytes=1))
    assert count(url_of(path), "requests") == 0
    assert "holds no request that could go" in caplog.text


def test_the_writer_applies_it(url: str) -> None:
    """A store that starts with a retention forgets by itself, while it writes, and counts it."""
    fill(url, 30, first_days_ago=19.5, apart_ms=DAY_MS)
    sink = StoreSink(url, 100, batch_s=0.01, retention=Retention(request_days=10))
    sink.start()
    deadline = time.monotonic() + 10
    while count(url, "requests") > 20 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert sink.stop(5)
    assert (count(url, "requests"), sink.health().pruned, sink.health().summary) == (20, 10, "ok")


@settings(max_examples=50)
@given(st.datetimes(datetime(2020, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds have none
def test_seq_and_time(moment: datetime) -> None:
    """A moment's seq leads back to it, to the microsecond."""
    assert moment_of(seq_at(moment)) == moment


def test_nothing_is_forgotten_by_age_after_a_jump(sqlite: str) -> None:
    """A clock that was set years ahead makes everything old: what is there stays until the clock has been
    steady for a while.
    """
    fill(sqlite, 5, first_days_ago=20, apart_ms=DAY_MS)
    now = [ClockAnchor(time.time_ns(), 0)]
    pruner = Pruner(Retention(request_days=10, rollup_days=10), wall=WallClock(lambda: now[0], lambda: None))

    async def turn() -> None:
        engine = create_writer(sqlite)
        pruner.timer.due_s = 0.0
        await pruner.run_once(engine)
        await engine.dispose()

    now[0] = ClockAnchor(now[0].wall_ns + 10**18, 0)
    asyncio.run(turn())
    assert count(sqlite, "requests") == 5
    assert count(sqlite, "rollups") == 5
    now[0] = ClockAnchor(now[0].wall_ns + 601 * 10**9, 601 * 10**9)
    asyncio.run(turn())
    assert count(sqlite, "requests") == 0
