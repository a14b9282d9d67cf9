"""Database engines: one for the writer, one for migrations, one
for readers that can neither write nor take forever.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from telemetry.store import direct_sqlite, reader_connection

BUSY_TIMEOUT_MS = 1000
"""Longest wait of a reader for SQLite's lock before it says
`locked`; the writer's wait is `direct_sqlite`'s.
"""

READ_LIMIT_S = 5.0
"""Longest time of a reader's statement."""

READ_POOL = 4
"""Connections of readers; each costs a thread (SQLite) or a server process (PostgreSQL)."""

STATEMENT_LIMIT_S = 30.0
"""Longest time of one of the writer's statements on a server:
one that does not answer is given up, and the batch is kept.
"""

LOCK_LIMIT_S = 5.0
"""Longest wait of a statement on a server for a lock that another session holds."""

CONNECT_LIMIT_S = 5.0
"""Longest time that a server may take to accept a connection."""

MIGRATION_LIMIT_S = 3600.0
"""Longest time of a migration's statement on a server: a large
table takes a while, a dead connection must end.
"""

_WRITER_PRAGMAS = ("synchronous=NORMAL", "secure_delete=ON", f"journal_size_limit={64 * 2**20}")
"""Deleted rows are overwritten, content most of all. A write-ahead log that grew (a long reader, a large
transaction) is cut back to 64 MiB.
"""

_PROGRESS_STEPS = 20_000
"""SQLite instructions between two looks at the clock: well under a millisecond."""


def create_writer(url: str) -> AsyncEngine:
    """The writer's engine: one connection, WAL, foreign keys on; a
    new file gives emptied pages back (which must be said first).

    `synchronous=NORMAL` survives a crash of ours; a power cut may lose the last transactions, never the file
    (https://www.sqlite.org/wal.html).
    """
    parsed = _async_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_writer(parsed, "foreign_keys=ON")
    return _server_writer(parsed, STATEMENT_LIMIT_S)


def create_migrator(url: str) -> AsyncEngine:
    """The migrations' engine. Foreign keys are off: a table that is copied would take the rows that refer to
    it along, and SQLite does not let a transaction change that.
    """
    parsed = _async_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_writer(parsed, "foreign_keys=OFF")
    return _server_writer(parsed, MIGRATION_LIMIT_S)


def create_reader(
    url: str, limit_s: float = READ_LIMIT_S, over: Callable[[], bool] = lambda: False
) -> AsyncEngine:
    """The readers' engine: read-only, each statement ended after `limit_s` (`inf`: never); SQLite's, too, as
    soon as it is `over` (a server's end with their task).
    """
    parsed = _async_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_async_engine(
            parsed,
            pool_size=READ_POOL,
            max_overflow=0,
            connect_args={"async_creator_fn": reader_connection.connect},
        )
        _pragmas(engine, f"busy_timeout={BUSY_TIMEOUT_MS}", "query_only=ON")
        _limit_statements(engine, limit_s, over)
        return engine
    limited = _server_arguments(limit_s, default_transaction_read_only="on")
    return create_async_engine(
        parsed, pool_size=READ_POOL, max_overflow=0, pool_pre_ping=True, connect_args=limited
    )


def _sqlite_writer(url: URL, foreign_keys: str) -> AsyncEngine:
    engine = create_async_engine(
        url, pool_size=1, max_overflow=0, connect_args={"async_creator_fn": direct_sqlite.connect}
    )
    _make_shrinkable(engine)
    _pragmas(
        engine,
        f"busy_timeout={direct_sqlite.OWN_WAIT_MS}",
        "journal_mode=WAL",
        *_WRITER_PRAGMAS,
        foreign_keys,
    )
    _begin_at_once(engine)
    return engine


def _server_writer(url: URL, limit_s: float) -> AsyncEngine:
    return create_async_engine(url, pool_size=1, max_overflow=0, connect_args=_server_arguments(limit_s))


def _server_arguments(limit_s: float, **settings: str) -> dict[str, Any]:
    """For asyncpg. The server ends a statement (0: never), a wait for a lock, and a transaction whose client
    is gone; a server that says nothing at all is given up by the driver, a little later.
    """
    bounded = math.isfinite(limit_s)
    limits = {
        "application_name": "firsttoken",
        "statement_timeout": str(round(limit_s * 1e3) if bounded else 0),
        "lock_timeout": str(round(LOCK_LIMIT_S * 1e3)),
        "idle_in_transaction_session_timeout": str(round(STATEMENT_LIMIT_S * 1e3)),
    }
    patience = {"command_timeout": limit_s + 1} if bounded else {}
    return {"timeout": CONNECT_LIMIT_S, "server_settings": limits | settings, **patience}


def file_size_bytes(url: str) -> int | None:
    """Bytes of a SQLite file and its write-ahead log; None with another database or without a file."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return None
    sizes = []
    for path in (parsed.database, f"{parsed.database}-wal"):
        with contextlib.suppress(OSError):
            sizes.append(os.stat(path).st_size)  # noqa: PTH116 - a scrape's hot path, no Path object needed
    return sum(sizes) if sizes else None


def _async_url(url: str) -> URL:
    """The URL with an asynchronous driver where it names none."""
    parsed = make_url(url)
    drivers = {
        "sqlite": "sqlite+aiosqlite",
        "postgresql": "postgresql+asyncpg",
        "postgres": "postgresql+asyncpg",
    }
    return parsed.set(drivername=drivers.get(parsed.drivername, parsed.drivername))


def _pragmas(engine: AsyncEngine, *pragmas: str) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _begin_at_once(engine: AsyncEngine) -> None:
    """A transaction takes the write lock when it begins, and
    holds all that is done in it, also tables that are made.

    Python's driver would begin one before the first INSERT only, so that each CREATE or ALTER before it were
    a transaction of its own; and one that has read before it writes is refused where another wrote meanwhile,
    however long it would wait.
    """

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _make_shrinkable(engine: AsyncEngine) -> None:
    """A new file can give free pages back (`telemetry.store.retention`);
    it must be set before WAL writes the first page.

    On a file that has pages the pragma would take the write lock at each connection.
    """

    @event.listens_for(engine.sync_engine, "connect")
    def set_auto_vacuum(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA page_count")
        if cursor.fetchone()[0] == 0:
            cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")
        cursor.close()


def _limit_statements(engine: AsyncEngine, limit_s: float, over: Callable[[], bool]) -> None:
    """SQLite has no statement timeout: its progress handler looks at the clock and interrupts."""

    @event.listens_for(engine.sync_engine, "connect")
    def watch(connection: Any, record: Any) -> None:
        deadline = record.info["deadline"] = [float("inf")]
        connection.run_async(
            lambda driver: driver.set_progress_handler(
                lambda: time.monotonic() > deadline[0] or over(), _PROGRESS_STEPS
            )
        )

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def begin(connection: Connection, *_: Any) -> None:
        connection.info["deadline"][0] = time.monotonic() + limit_s
