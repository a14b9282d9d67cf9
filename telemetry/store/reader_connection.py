"""A reader's connection to SQLite: aiosqlite's, but for one that cannot be made."""

from __future__ import annotations

import asyncio
from typing import Any

import aiosqlite

ENDING_S = 5.0
"""Longest wait for the thread of a connection that could not be made."""


async def connect(*args: Any, **more: Any) -> aiosqlite.Connection:
    """Connect. Where that fails, the connection's thread ends before the error is raised: it has one more
    thing to say to the event loop, and a program that ends with the error has none by then.
    """
    connection = aiosqlite.connect(*args, **more)
    thread = connection._thread  # noqa: SLF001 - as SQLAlchemy's dialect reaches it
    thread.daemon = True
    try:
        return await connection
    except BaseException:
        await asyncio.to_thread(thread.join, ENDING_S)
        raise
