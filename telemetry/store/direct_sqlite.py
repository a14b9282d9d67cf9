"""SQLite in the calling thread, in the shape that SQLAlchemy's aiosqlite dialect expects.

aiosqlite hands each call to a thread of its own and waits for the answer:
some forty hand-overs per transaction. The writer has a thread already,
whose loop has nothing else to do, so it may as well do the work itself.

It also waits for the write lock itself. SQLite asks again after ever longer pauses, of 100 ms in the end:
beside another writer that begins one transaction after the other it asked a dozen times in a second, always
in the middle of one, and said `locked` although the lock had been free as often.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Self

WAIT_S = 1.0
"""Longest wait for the write lock before `locked`."""

ASK_S = 0.001
"""Between two looks at the lock: no longer than another writer needs between two transactions."""

OWN_WAIT_MS = 5
"""SQLite's own wait (`busy_timeout`), inside each look."""


class DirectConnection:
    """The part of `aiosqlite.Connection` that the dialect uses."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._conn = self._connection = connection

    def cursor(self) -> DirectCursor:
        return DirectCursor(self._conn.cursor())

    async def commit(self) -> None:
        self._conn.commit()

    async def rollback(self) -> None:
        self._conn.rollback()

    async def close(self) -> None:
        self._conn.close()

    async def create_function(self, *args: Any, **more: Any) -> None:
        self._conn.create_function(*args, **more)

    async def executescript(self, script: str) -> None:
        """Several statements, each to its end."""
        self._conn.executescript(script)

    def stop(self) -> None:
        """Close without a loop."""
        self._conn.close()


class DirectCursor:
    """The part of `aiosqlite.Cursor` that the dialect uses."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    async def __aenter__(self) -> Self:
        return self

    @property
    def description(self) -> Any:
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._cursor.lastrowid

    async def execute(self, statement: str, parameters: Any = ()) -> Self:
        self._patiently(lambda: self._cursor.execute(statement, parameters))
        return self

    async def executemany(self, statement: str, parameters: Iterable[Any]) -> Self:
        rows = list(parameters)
        self._patiently(lambda: self._cursor.executemany(statement, rows))
        return self

    def _patiently(self, run: Callable[[], object]) -> None:
        """The first statement of a transaction waits for the lock:
        nothing was read yet that another writer could make old.
        """
        connection, until = self._cursor.connection, time.monotonic() + WAIT_S
        first = not connection.in_transaction
        while True:
            try:
                run()
            except sqlite3.OperationalError as error:
                if (
                    not first
                    or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY
                    or time.monotonic() > until
                ):
                    raise
            else:
                return
            connection.rollback()  # the driver's own BEGIN, which has read nothing
            time.sleep(ASK_S)

    async def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()

    async def close(self) -> None:
        self._cursor.close()


def connect(*args: Any, **more: Any) -> Awaitable[DirectConnection]:
    """For `connect_args={"async_creator_fn": connect}`. Transactions
    begin where the engine says so, never by the driver's own guess.
    """

    async def open_it() -> DirectConnection:
        return DirectConnection(sqlite3.connect(*args, **(more | {"isolation_level": None})))

    return open_it()
