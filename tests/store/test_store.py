"""The store sink against a real database file: what is written, what is lost, and what that says."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from telemetry import histogram
from telemetry.events import Status
from telemetry.recorder import Ended
from telemetry.store import migrate
from telemetry.store.engine import create_reader, create_writer
from telemetry.store.models import Base
from telemetry.store.phases import decode, encode
from telemetry.store.rollups.measures import SCALE, Measure
from telemetry.store.writer import StoreSink
from tests.store.templates import new_database
from tests.telemetry.records import (
    CONFIG,
    EPOCH_NS,
    MODEL,
    ManualClock,
    answer,
    completed,
    open_record,
    recorder,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database at the newest revision."""
    file = tmp_path / "firsttoken.db"
    new_database(file)
    return file


@pytest.fixture
def store(path: Path) -> Iterator[StoreSink]:
    """A running store, stopped at the end."""
    sink = StoreSink(url_of(path), 1000, batch_s=0.01)
    sink.start()
    yield sink
    sink.stop(5)


def url_of(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def wait_for(path: Path, query: str, expected: list[tuple[object, ...]]) -> None:
    deadline = time.monotonic() + 5
    while rows(path, query) != expected and time.monotonic() < deadline:
        time.sleep(0.01)
    assert rows(path, query) == expected


def test_the_newest_revision_equals_the_models(path: Path) -> None:
    """Alembic finds no difference between its head and `models.py`."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()
    assert migrate.current(url_of(path)) == migrate.head() is not None


def test_upgrading_twice_changes_nothing(path: Path) -> None:
    """A database at the newest revision stays as it is."""
    migrate.upgrade(url_of(path))
    assert migrate.current(url_of(path)) == migrate.head()


def test_a_request_is_a_running_row_and_then_a_complete_one(path: Path, store: StoreSink) -> None:
    """The row is there from admission on; its figures come at the end, with phases and configuration."""
    clock = ManualClock()
    rec = recorder(clock, store)
    store.engine_config(CONFIG)
    record = open_record(rec, clock, "abc")
    rec.admit(record)
    wait_for(path, "select id, status, ttft_ms from requests", [("abc", "running", None)])
    record.engine_config_id = CONFIG.config_id
    answer(rec, clock, record)
    rec.close(record, Ended(Status.OK, 200))
    query = "select status, ttft_ms, prompt_tokens, cache_reason, engine_config_id, started_at from requests"
    wait_for(path, query, [("ok", 109.5, 600, "appended", "cfg-1", "2025-10-09 08:53:20.000000")])
    assert decode(rows(path, "select phases from request_phases")[0][0]) == decode(encode(record))  # type: ignore[arg-type]
    assert rows(path, "select model from engine_config")[0][0] == MODEL
    assert "secret" not in str(rows(path, "select params from requests"))


def test_stopping_writes_what_waits(path: Path) -> None:
    """Admitted and completed in one batch: each request is one complete row."""
    sink = StoreSink(url_of(path), 1000, batch_s=5)
    clock = ManualClock()
    rec = recorder(clock, sink)
    sink.start()
    for n in range(40):
        record = open_record(rec, clock, f"r{n}")
        rec.admit(record)
        rec.close(record, Ended(Status.ERROR, 503, "engine_unavailable"))
    assert sink.stop(5)
    assert rows(path, "select count(*), count(distinct id), min(status) from requests") == [(40, 40, "error")]
    assert sink.health().dropped == 0


def test_a_request_id_may_come_twice(path: Path, store: StoreSink) -> None:
    """Two requests with one `x-request-id` are two rows."""
    clock = ManualClock()
    rec = recorder(clock, store)
    for _ in range(2):
        rec.close(open_record(rec, clock, "same"), Ended(Status.OK, 200))
    wait_for(path, "select id, count(*) from requests", [("same", 2)])


def test_a_full_queue_drops_and_counts(path: Path) -> None:
    """Nothing waits and nothing raises when the queue is full; admissions give way to completions."""
    sink = StoreSink(url_of(path), 10)
    clock = ManualClock()
    rec = recorder(clock, sink)
    records = [open_record(rec, clock) for _ in range(12)]
    for record in records:
        rec.admit(record)
    assert (sink.health().queued, sink.health().dropped) == (9, 3)
    for record in records[:3]:
        rec.close(record, Ended(Status.OK, 200))
    assert (sink.health().queued, sink.health().dropped) == (10, 5)


def test_a_database_without_tables_gets_them(tmp_path: Path) -> None:
    """The writer opens the database itself, and what happened before is written too."""
    path = tmp_path / "empty.db"
    sink = StoreSink(url_of(path), 100, batch_s=0.01)
    assert sink.health().summary == "the database is being opened"
    completed(sink=sink)
    sink.start()
    assert sink.stop(20)
    assert (sink.health().summary, sink.health().dropped) == ("ok", 0)
    assert rows(path, "select status from requests") == [("ok",)]


def test_stop_keeps_its_deadline(path: Path) -> None:
    """A database locked for good does not hold up the shutdown; what waits is counted as lost."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin immediate")
    sink = StoreSink(url_of(path), 100, batch_s=0.01)
    sink.start()
    completed(sink=sink)
    began = time.monotonic()
    assert not sink.stop(0.2)
    assert time.monotonic() - began < 1
    other.close()
    next(thread for thread in threading.enumerate() if thread.name == "store-writer").join(10)


def test_percentiles_of_the_roll_ups_are_those_of_the_rows(path: Path, store: StoreSink) -> None:
    """p50 and p95 of TTFT from the merged histogram are within 1 % of the exact ones of the rows; counters
    agree.
    """
    clock = ManualClock()
    rec = recorder(clock, store)
    store.engine_config(CONFIG)
    for n in range(60):
        record = open_record(rec, clock)
        clock.advance(n * n)
        answer(rec, clock, record)
        rec.close(record, Ended(Status.OK, 200))
        clock.advance(3000)
    wait_for(
        path,
        "select sum(requests), sum(prompt_tokens), sum(completion_tokens) from rollups",
        [(60, 36000, 240)],
    )
    assert (rows(path, "select count(*) from rollups")[0][0], rows(path, "select model from series")) == (
        5,
        [(MODEL,)],
    )
    exact = sorted(float(str(row[0])) for row in rows(path, "select ttft_ms from requests"))
    merged = {
        int(str(b)): int(str(n))
        for b, n in rows(
            path, "select bucket, sum(count) from rollup_histograms where measure='ttft' group by 1"
        )
    }
    for q, rank in ((0.5, 30), (0.95, 57)):
        found = histogram.percentile(merged, q)
        assert found is not None
        assert found * SCALE[Measure.TTFT] == pytest.approx(exact[rank - 1], rel=0.01)


def test_batches_add_up(path: Path, store: StoreSink) -> None:
    """Two batches of one minute and series are one roll-up row whose numbers are the sums."""
    clock = ManualClock()
    rec = recorder(clock, store)
    for n in (1, 2):
        rec.close(open_record(rec, clock), Ended(Status.CANCELLED, 499, "client_disconnect"))
        wait_for(
            path,
            "select minute, requests, errors, cancelled from rollups",
            [(EPOCH_NS // (60 * 10**9), n, 0, n)],
        )


def test_readers_cannot_write_and_have_a_limit(path: Path) -> None:
    """A reader's statement is refused when it writes, and ended when it takes too long."""
    asyncio.run(_read(path))


async def _read(path: Path) -> None:
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    engine = create_reader(url_of(path), limit_s=0.2)
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError, match="readonly"):
            await connection.execute(text("delete from requests"))
    async with engine.connect() as connection:
        began = time.monotonic()
        with pytest.raises(DBAPIError, match="interrupted"):
            await connection.execute(text(endless))
        assert time.monotonic() - began < 2
        assert (await connection.execute(text("select count(*) from requests"))).scalar_one() == 0
    await engine.dispose()


def test_phases_round_trip() -> None:
    """Every phase and chunk is kept, in microseconds since the first byte."""
    stored = decode(encode(completed()))
    assert (stored.total_us, stored.first_token_us, stored.last_token_us) == (200_500, 109_500, 199_500)
    assert [(p.phase.value, p.start_us, p.end_us) for p in stored.phases][:2] == [
        ("admit", 0, 1000),
        ("render", 1000, 2000),
    ]
    assert [(c.start_us, c.tokens) for c in stored.chunks] == [(9500, 250), (59500, 250)]
    assert stored.gaps is not None
    assert (stored.gaps.count, stored.gaps.p50_us, stored.gaps.max_us) == (3, 20_000, 60_000)


def test_the_writer_needs_no_other_thread(sqlite: str) -> None:
    """Its statements run where it runs: handing each to another thread took most of the time of a small
    transaction.
    """

    async def work() -> tuple[int, set[int]]:
        engine, threads = create_writer(sqlite), set()
        async with engine.begin() as connection:
            raw = (await connection.get_raw_connection()).driver_connection
            assert raw is not None
            await raw.create_function("note_thread", 0, lambda: threads.add(threading.get_ident()))
            await connection.execute(text("SELECT note_thread()"))
        await engine.dispose()
        return threading.get_ident(), threads

    here, threads = asyncio.run(work())
    assert threads == {here}
