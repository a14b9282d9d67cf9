"""One read with a time limit; every failure of the database is raised as `StoreUnreadable`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Row, Select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from telemetry.store.engine import READ_LIMIT_S
from telemetry.store.failures import first_line, is_driver_error

PATIENCE_S = READ_LIMIT_S + 1
"""Longest wait for one query: a connection from the pool, and
the statement, which the engine itself ends at `READ_LIMIT_S`.
"""

patience_s: ContextVar[float | None] = ContextVar("patience_s", default=PATIENCE_S)
"""Of whoever reads; None waits as long as it takes (a verb of the command line, which a person can end)."""


class StoreUnreadable(Exception):  # noqa: N818 - a state of the store, named as pages say it
    """The store could not be read; the message says why, in one line."""


_reading: set[asyncio.Task[Any]] = set()
"""Reads under way: a task that nobody refers to may vanish."""


async def fetch(engine: AsyncEngine, statement: Select[*tuple[Any, ...]]) -> Sequence[Row[*tuple[Any, ...]]]:
    """All rows of a statement; whole ORM rows come detached.

    A reader that is cancelled (its page was left) goes at once, and its statement ends by itself: a
    connection that is torn down in the middle of one may hang.

    Raises:
        StoreUnreadable: the database failed or took longer than `PATIENCE_S`.
    """
    return await _in_time(_rows(engine, statement))


async def fetch_columns(
    engine: AsyncEngine, statement: Select[*tuple[Any, ...]]
) -> Sequence[Row[*tuple[Any, ...]]]:
    """The same for columns only, which need no session: a long window has thousands of rows.

    Raises:
        StoreUnreadable: the database failed or took longer than `PATIENCE_S`.
    """
    return await _in_time(_figures(engine, statement))


async def _in_time(
    reading: Coroutine[Any, Any, Sequence[Row[*tuple[Any, ...]]]],
) -> Sequence[Row[*tuple[Any, ...]]]:
    task = asyncio.ensure_future(reading)
    _reading.add(task)
    task.add_done_callback(_ended)
    try:
        async with asyncio.timeout(patience_s.get()):
            return await asyncio.shield(task)
    except TimeoutError:
        task.cancel()
        limit = patience_s.get()
        raise StoreUnreadable(
            "the database did not answer in time" if limit is None else f"no answer within {limit:g} s"
        ) from None
    except Exception as error:
        if isinstance(error, SQLAlchemyError | OSError) or is_driver_error(error):
            raise StoreUnreadable(first_line(error)) from error
        raise


async def _rows(engine: AsyncEngine, statement: Select[*tuple[Any, ...]]) -> Sequence[Row[*tuple[Any, ...]]]:
    async with AsyncSession(engine, expire_on_commit=False) as session:
        return (await session.execute(statement)).all()


async def _figures(
    engine: AsyncEngine, statement: Select[*tuple[Any, ...]]
) -> Sequence[Row[*tuple[Any, ...]]]:
    async with engine.connect() as connection:
        return (await connection.execute(statement)).all()


def _ended(task: asyncio.Task[Any]) -> None:
    _reading.discard(task)
    if not task.cancelled():
        task.exception()  # it was raised, or nobody is left to see it
