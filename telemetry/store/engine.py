"""Database engines: one for the writer, one for readers that can neither write nor take forever."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from telemetry.store import direct_sqlite

BUSY_TIMEOUT_MS = 1000
"""How long a reader waits for SQLite's lock before it says `locked`; the writer's wait is `direct_sqlite`'s."""

READ_LIMIT_S = 5.0
"""Longest time of a reader's statement."""

READ_POOL = 4
"""Connections of readers; each costs a thread (SQLite) or a server process (PostgreSQL)."""

_WRITER_PRAGMAS = ("synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON", f"journal_size_limit={64 * 1024**2}")
"""What is deleted is overwritten, content most of all. A write-ahead log that grew (a long reader, a large transaction) is cut back to 64 MiB."""

_PROGRESS_STEPS = 20_000
"""SQLite instructions between two looks at the clock: well under a millisecond."""


def create_writer(url: str) -> AsyncEngine:
    """The writer's engine: one connection, WAL, foreign keys on; a new file gives emptied pages back (which must be said first).

    `synchronous=NORMAL` survives a crash of ours; a power cut may lose the last transactions, never the file
    (https://www.sqlite.org/wal.html).
    """
    parsed = _async_url(url)
    here = {"async_creator_fn": direct_sqlite.connect} if parsed.get_backend_name() == "sqlite" else {}
    engine = create_async_engine(parsed, pool_size=1, max_overflow=0, connect_args=here)
    if engine.dialect.name == "sqlite":
        _make_shrinkable(engine)
        _pragmas(engine, f"busy_timeout={direct_sqlite.OWN_WAIT_MS}", "journal_mode=WAL", *_WRITER_PRAGMAS)
    return engine


def create_reader(url: str, limit_s: float = READ_LIMIT_S) -> AsyncEngine:
    """The readers' engine: read-only, each statement ended after `limit_s`."""
    parsed = _async_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_async_engine(parsed, pool_size=READ_POOL, max_overflow=0)
        _pragmas(engine, f"busy_timeout={BUSY_TIMEOUT_MS}", "query_only=ON")
        _limit_statements(engine, limit_s)
        return engine
    server = {"statement_timeout": str(round(limit_s * 1e3)), "default_transaction_read_only": "on"}
    return create_async_engine(parsed, pool_size=READ_POOL, max_overflow=0, connect_args={"server_settings": server})


def _async_url(url: str) -> URL:
    """The URL with an asynchronous driver where it names none."""
    parsed = make_url(url)
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
    return parsed.set(drivername=drivers.get(parsed.drivername, parsed.drivername))


def _pragmas(engine: AsyncEngine, *pragmas: str) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _make_shrinkable(engine: AsyncEngine) -> None:
    """A new file can give free pages back (`telemetry.store.retention`); it must be told before WAL writes the first page.

    On a file that has pages the pragma would take the write lock at each connection.
    """

    @event.listens_for(engine.sync_engine, "connect")
    def set_auto_vacuum(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA page_count")
        if cursor.fetchone()[0] == 0:
            cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
        cursor.close()


def _limit_statements(engine: AsyncEngine, limit_s: float) -> None:
    """SQLite has no statement timeout: its progress handler looks at the clock and interrupts."""

    @event.listens_for(engine.sync_engine, "connect")
    def watch(connection: Any, record: Any) -> None:
        deadline = record.info["deadline"] = [float("inf")]
        connection.run_async(lambda driver: driver.set_progress_handler(lambda: time.monotonic() > deadline[0], _PROGRESS_STEPS))

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def begin(connection: Connection, *_: Any) -> None:
        connection.info["deadline"][0] = time.monotonic() + limit_s
