"""The writer against a database that comes and goes: nothing is lost while there is room, and what is lost
is told as lost.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from telemetry.events import Status
from telemetry.recorder import Ended, Recorder
from telemetry.store import batch, delivery, migrate
from telemetry.store.writer import StoreSink
from tests.e2e.serving import until
from tests.store.postgres import PostgresServer
from tests.store.test_instances import query, writing
from tests.telemetry.records import ManualClock, answer, open_record, recorder


def chat(rec: Recorder, clock: ManualClock, request_id: str) -> None:
    record = open_record(rec, clock, request_id)
    rec.admit(record)
    answer(rec, clock, record)
    rec.close(record, Ended(Status.OK, 200))


@contextmanager
def locked(url: str) -> Iterator[None]:
    other = sqlite3.connect(Path(str(make_url(url).database)), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


def counts(url: str) -> tuple[Any, ...]:
    rows = query(url, "SELECT count(*) FROM requests WHERE status = 'ok'")
    return rows[0][0], query(url, "SELECT coalesce(sum(requests), 0) FROM rollups")[0][0]


def test_a_lock_loses_nothing(sqlite: str) -> None:
    """However long another process holds the lock: the state says so at once and not "ok" before a write,
    and all is written.
    """
    with writing(sqlite) as sink:
        until(lambda: sink.health().summary == "ok", 10, "the database to be opened")
        clock = ManualClock()
        rec = recorder(clock, sink)
        with locked(sqlite):
            for n in range(40):
                chat(rec, clock, f"r{n}")
            until(lambda: "locked" in sink.health().summary, 10, "the lock to be told")
            assert (sink.health().queued, sink.health().dropped) == (80, 0)
        until(lambda: sink.health().summary == "ok", 20, "a write")
        assert sink.health().queued == 0
        assert "locked" in sink.health().failure
        assert sink.health().failure_age_s is not None
    assert counts(sqlite) == (40, 40)
    assert sink.health().dropped == 0


def test_what_found_no_room_is_told_as_lost(sqlite: str) -> None:
    """A completion that was dropped leaves no row that runs for ever, and none that says that the gateway
    died.
    """
    with writing(sqlite, queue_size=10) as sink:
        clock = ManualClock()
        rec = recorder(clock, sink)
        lost = open_record(rec, clock, "lost")
        rec.admit(lost)

        def one_more_fills_it() -> bool:
            chat(rec, clock, "filler")
            return sink.health().queued >= 10

        until(lambda: query(sqlite, "SELECT id FROM requests") == [("lost",)], 10, "its row")
        with locked(sqlite):
            until(one_more_fills_it, 10, "a full queue")
            answer(rec, clock, lost)
            rec.close(lost, Ended(Status.OK, 200))
        found = "SELECT status, error_type, error_message FROM requests WHERE id = 'lost'"
        words = "It ended as ok (HTTP 200); the store's queue was full, and its figures are lost."
        until(
            lambda: query(sqlite, found) == [("interrupted", "record_lost", words)], 20, "its row to say so"
        )
        until(
            lambda: not query(sqlite, "SELECT 1 FROM requests WHERE status = 'running'"),
            20,
            "no row to be left running",
        )
    assert sink.health().dropped == sink.losses.full > 0
    assert not sink.losses.unmarked


def test_a_commit_whose_end_was_not_heard_of(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection breaks after the database committed, or before: either way each request is counted
    once.
    """
    real, failing = batch.write, ["after", "before"]

    async def write(connection: AsyncConnection, *args: Any) -> None:
        await real(connection, *args)
        if failing:
            if failing.pop(0) == "after":
                await connection.exec_driver_sql("COMMIT")
            raise ConnectionResetError("the connection broke")

    monkeypatch.setattr(delivery, "write", write)
    with writing(url) as sink:
        clock = ManualClock()
        rec = recorder(clock, sink)
        for n in range(4):
            chat(rec, clock, f"r{n}")
            until(lambda: sink.health().queued == 0, 20, "the write")
        assert not failing
    assert counts(url) == (4, 4)
    assert sink.health().dropped == 0


def test_a_server_that_says_nothing(own_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of its work the writer gives the connection up and says so; when the server speaks
    again all is written.
    """
    monkeypatch.setattr("telemetry.store.engine.STATEMENT_LIMIT_S", 1.0)
    monkeypatch.setattr("telemetry.store.engine.CONNECT_LIMIT_S", 1.0)
    migrate.upgrade(own_postgres.url)
    with writing(own_postgres.url) as sink:
        clock = ManualClock()
        rec = recorder(clock, sink)
        chat(rec, clock, "before")
        until(lambda: sink.health().summary == "ok" and sink.health().queued == 0, 20, "the first row")
        with own_postgres.frozen():
            chat(rec, clock, "meanwhile")
            until(lambda: "did not answer" in sink.health().summary, 30, "the silence to be told")
        until(lambda: sink.health().summary == "ok" and sink.health().queued == 0, 60, "the rest")
    assert counts(own_postgres.url) == (2, 2)
    assert sink.health().dropped == 0


def test_a_transaction_that_does_not_return_is_told(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is waited for, the state is not "ok"."""
    monkeypatch.setattr("telemetry.store.write_attempts.HUNG_S", 0.2)
    sink = StoreSink(sqlite, 100, batch_s=0.01)
    sink._attempts.wrote()
    with sink._attempts.busy():
        assert sink.health().summary == "ok"
        until(
            lambda: sink.health().summary.startswith("the database has not answered for"),
            10,
            "the state to say so",
        )
    assert sink.health().summary == "ok"
