"""Waiting for SQLite's write lock beside a writer that hardly ever lets go of it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import make_url, select
from sqlalchemy.exc import OperationalError

from telemetry.store import direct_sqlite
from telemetry.store.engine import create_writer
from telemetry.store.rollups.compaction import rewind_watermarks
from telemetry.store.rollups.tables import WATERMARKS

HELD_S, FREE_S = 0.06, 0.003
TRANSACTIONS = 8


@contextmanager
def one_transaction_after_the_other(path: str) -> Iterator[None]:
    """Another writer meanwhile, as a compaction that has much to do is."""
    stop, begun = threading.Event(), threading.Event()

    def work() -> None:
        connection = sqlite3.connect(path, timeout=5, isolation_level=None)
        while not stop.is_set():
            connection.execute("BEGIN IMMEDIATE")
            begun.set()
            time.sleep(HELD_S)
            connection.execute("COMMIT")
            time.sleep(FREE_S)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def write(url: str, times: int) -> None:
    """So many transactions, each of which reads before it writes."""

    async def run() -> None:
        engine = create_writer(url)
        try:
            for _ in range(times):
                async with engine.begin() as connection:
                    await connection.execute(select(WATERMARKS))
                    await rewind_watermarks(connection, 1)
        finally:
            await engine.dispose()

    asyncio.run(run())


def test_a_busy_writer_does_not_starve_another(sqlite: str) -> None:
    """The lock is free for a moment between two transactions: whoever waits for it gets it."""
    with one_transaction_after_the_other(str(make_url(sqlite).database)):
        write(sqlite, TRANSACTIONS)


def test_a_lock_that_is_never_free_is_told(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, as `locked`; and the connection is as good as before."""
    monkeypatch.setattr(direct_sqlite, "WAIT_S", 0.1)
    other = sqlite3.connect(str(make_url(sqlite).database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(OperationalError, match="locked"):
        write(sqlite, 1)
    other.execute("COMMIT")
    other.close()
    write(sqlite, 1)
