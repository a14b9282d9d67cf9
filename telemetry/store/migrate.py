"""The schema's revision: read it, bring it up to date. Blocking: call from a thread where an event loop runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection

from telemetry.store.engine import create_writer

T = TypeVar("T")


def upgrade(url: str) -> None:
    """Create the tables or bring them to this version's schema."""

    def work(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    _run(url, work)


def current(url: str) -> str | None:
    """The database's revision, None where it has no tables of ours."""
    return _run(url, lambda connection: MigrationContext.configure(connection).get_current_revision())


def head() -> str | None:
    """The revision of this version."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    """Alembic's configuration without an ini file: it would set up logging and needs a working folder."""
    config = Config()
    config.set_main_option("script_location", "migrations:")  # the installed package, wherever it is
    config.set_main_option("path_separator", "os")
    return config


def _run(url: str, work: Callable[[Connection], T]) -> T:
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells every step at INFO

    async def main() -> T:
        engine = create_writer(url)
        try:
            async with engine.begin() as connection:
                return await connection.run_sync(work)
        finally:
            await engine.dispose()

    return asyncio.run(main())
