"""The schema's revision: read it, bring it up to date, all or
nothing. Blocking: call from a thread where no event loop runs.

A `StoreVersionError` says that a database is of another version than this program.
"""

from __future__ import annotations

import asyncio
import logging
from functools import lru_cache

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from telemetry.store.engine import create_migrator, create_reader

MIGRATING = 0x66747365
"""Key of the advisory lock of whoever migrates a server's database ("ftse")."""

logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells every look and every step at INFO


class StoreVersionError(RuntimeError):
    """The database is of a version that this program does not know: nothing is written to it."""


def upgrade(url: str) -> None:
    """Create the tables or bring them to this version's schema, in one transaction: a process that is killed
    in the middle leaves the database as it was.

    Raises:
        StoreVersionError: the database is of a newer version.
        SQLAlchemyError: it cannot be opened or written.
    """
    asyncio.run(bring_up_to_date(url))


def current(url: str) -> str | None:
    """The database's revision, None where it has no tables of ours.

    Raises:
        SQLAlchemyError: it cannot be read.
    """
    return asyncio.run(_current(url))


@lru_cache
def head() -> str | None:
    """The revision of this version."""
    return ScriptDirectory.from_config(_config()).get_current_head()


@lru_cache
def known_revisions() -> frozenset[str]:
    """Those that this version can bring to its own, and its own."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


async def revision_of(connection: AsyncConnection) -> str | None:
    """The revision that a connection sees."""
    return await connection.run_sync(lambda here: MigrationContext.configure(here).get_current_revision())


async def bring_up_to_date(url: str) -> None:
    """`upgrade`, for whoever has an event loop that may wait."""
    engine = create_migrator(url)
    try:
        async with engine.begin() as connection:
            if connection.dialect.name == "postgresql":  # SQLite's transaction has the lock already
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATING})
            _check_known(await revision_of(connection))
            await connection.run_sync(_to_head)
    finally:
        await engine.dispose()


def _check_known(revision: str | None) -> None:
    if revision is not None and revision not in known_revisions():
        newest = f"revision {revision}; this one knows up to {head()}"
        raise StoreVersionError(
            f"the database is of a newer version ({newest}): install that one, "
            "or set store.url to another database"
        )


def _to_head(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


async def _current(url: str) -> str | None:
    engine = create_reader(url)
    try:
        async with engine.connect() as connection:
            return await revision_of(connection)
    finally:
        await engine.dispose()


def _config() -> Config:
    """Alembic's configuration without an ini file: it would set up logging and needs a working folder."""
    config = Config()
    config.set_main_option("script_location", "migrations:")  # the installed package, wherever it is
    config.set_main_option("path_separator", "os")
    return config
