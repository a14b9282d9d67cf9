"""What the store forgets, on real database files: by age, by size, never what runs, and the file gets smaller."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.events import Status
from telemetry.recorder import Ended
from telemetry.store import migrate
from telemetry.store.engine import create_writer
from telemetry.store.retention import CHUNK_ROWS, Keeper, Retention
from telemetry.store.seq import moment_of, seq_at
from telemetry.store.writer import StoreSink
from tests.store.test_store import rows, url_of
from tests.telemetry.records import ManualClock, answer, open_record, recorder

DAY_MS = 24 * 60 * 60 * 1000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database at the newest revision."""
    file = tmp_path / "firsttoken.db"
    migrate.upgrade(url_of(file))
    return file


def fill(path: Path, requests: int, *, first_days_ago: float, apart_ms: float, gaps: int = 3, running: bool = False) -> None:
    """Write ended requests, evenly apart, through the real writer; with `running`, the first one never ends."""
    now_ns = time.time_ns()
    clock = ManualClock()
    sink = StoreSink(url_of(path), requests * 2 + 10, batch_s=0.01)
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


def keep(path: Path, retention: Retention) -> Keeper:
    """Apply a retention until nothing is left to do."""

    async def work() -> Keeper:
        engine, keeper = create_writer(url_of(path)), Keeper(retention)
        while keeper.wait_s() == 0:
            await keeper.turn(engine)
        await engine.dispose()
        return keeper

    return asyncio.run(work())


def count(path: Path, table: str) -> int:
    return int(str(rows(path, f"SELECT count(*) FROM {table}")[0][0]))


def test_old_requests_go_and_running_ones_stay(path: Path) -> None:
    """Older than the limit goes, with its phases; the roll-ups stay; a request that still runs stays whatever its age."""
    fill(path, 40, first_days_ago=19.75, apart_ms=DAY_MS / 2, running=True)
    keeper = keep(path, Retention(request_days=10))
    assert keeper.pruned == 19
    assert (count(path, "requests"), count(path, "request_phases")) == (21, 20)
    assert rows(path, "SELECT status, count(*) FROM requests GROUP BY 1 ORDER BY 1") == [("ok", 20), ("running", 1)]
    assert rows(path, "SELECT sum(requests) FROM rollups") == [(39,)]
    oldest = moment_of(int(str(rows(path, "SELECT min(seq) FROM requests WHERE status = 'ok'")[0][0])))
    assert datetime.now(UTC) - oldest < timedelta(days=10, minutes=5)


def test_old_rollups_go(path: Path) -> None:
    """Counters, histograms and the cache's ledger of old minutes go, a day at a time; the series stay."""
    fill(path, 30, first_days_ago=29.5, apart_ms=DAY_MS)
    keep(path, Retention(rollup_days=10))
    limit = int(time.time() // 60) - 10 * 24 * 60
    for table in ("rollups", "rollup_histograms", "rollup_cache"):
        assert count(path, table) > 0
        assert int(str(rows(path, f"SELECT min(minute) FROM {table}")[0][0])) >= limit - 1
    assert rows(path, "SELECT sum(requests) FROM rollups") == [(10,)]
    assert (count(path, "requests"), count(path, "series")) == (30, 1)


def test_the_file_shrinks_to_its_cap(path: Path) -> None:
    """Above the cap the oldest requests go until there is room again, and the file itself gets smaller without VACUUM."""
    fill(path, 3 * CHUNK_ROWS, first_days_ago=1, apart_ms=1000, gaps=60)
    before = path.stat().st_size
    cap = before * 6 // 10
    newest = rows(path, "SELECT max(seq) FROM requests")
    keep(path, Retention(max_bytes=cap))
    sqlite3.connect(path).execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert 0 < count(path, "requests") < 3 * CHUNK_ROWS
    assert rows(path, "SELECT max(seq) FROM requests") == newest
    assert path.stat().st_size <= cap
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


def test_nothing_goes_without_limits(path: Path) -> None:
    """0 is no limit; and a database below its cap loses nothing."""
    fill(path, 20, first_days_ago=300, apart_ms=DAY_MS)
    keep(path, Retention())
    keep(path, Retention(max_bytes=10**9))
    assert (count(path, "requests"), rows(path, "SELECT sum(requests) FROM rollups")) == (20, [(20,)])


def test_a_cap_below_the_schema_ends(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing is left that could go, it says so and ends instead of turning for ever."""
    fill(path, 5, first_days_ago=1, apart_ms=1000)
    keep(path, Retention(max_bytes=1))
    assert count(path, "requests") == 0
    assert "holds no request that could go" in caplog.text


def test_the_writer_applies_it(path: Path) -> None:
    """A store that starts with a retention forgets by itself, while it writes, and counts it."""
    fill(path, 30, first_days_ago=19.5, apart_ms=DAY_MS)
    sink = StoreSink(url_of(path), 100, batch_s=0.01, retention=Retention(request_days=10))
    sink.start()
    deadline = time.monotonic() + 10
    while count(path, "requests") > 20 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert sink.stop(5)
    assert (count(path, "requests"), sink.pruned, sink.state) == (20, 10, "ok")


@settings(max_examples=50)
@given(st.datetimes(datetime(2020, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds have none
def test_seq_and_time(moment: datetime) -> None:
    """A moment's seq leads back to it, to the microsecond."""
    assert moment_of(seq_at(moment)) == moment
