"""The database as verbs see it: its revision, and a way to read or change it that says what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gateway.cli.output import CommandError, redact
from gateway.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

Found = TypeVar("Found")


def revision(effective: Settings) -> str | None:
    """The database's revision, or None where there is none yet; a missing SQLite file is not created by asking."""
    from sqlalchemy.engine import make_url

    from telemetry.store import migrate

    url = make_url(effective.store_url)
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:" and not Path(url.database).exists():
        return None
    return migrate.current(effective.store_url)


def work_with(effective: Settings, work: Callable[[AsyncEngine], Awaitable[Found]], *, write: bool = False) -> Found:
    """Do something with a database of this version; readers have no time limit here.

    Raises:
        CommandError: there is no such database, or it failed; the message says what to do.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from telemetry.store import migrate
    from telemetry.store.engine import create_reader, create_writer
    from telemetry.store.queries.reading import StoreUnreadable, first_line

    shown = redact(effective.store_url)

    async def run() -> Found:
        engine = create_writer(effective.store_url) if write else create_reader(effective.store_url, limit_s=float("inf"))
        try:
            return await work(engine)
        finally:
            await engine.dispose()

    try:
        found = revision(effective)
        if found is None:
            raise CommandError(f"there is no database {shown} yet: serve some requests first")
        if found != migrate.head():
            raise CommandError(f"the database {shown} is of another version: run `firsttoken db upgrade`")
        return asyncio.run(run())
    except (SQLAlchemyError, OSError, StoreUnreadable) as error:
        raise CommandError(f"the database {shown} failed: {first_line(error)}") from error
