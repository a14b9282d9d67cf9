"""The database as verbs see it: its revision, and a way to read or change it that says what is wrong."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gateway.cli.output import CommandError, redact, spinner
from gateway.settings.load import Settings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

Found = TypeVar("Found")

NO_LIMIT = float("inf")
"""A verb's statements may take as long as they need: nobody else waits for them."""


def revision(effective: Settings) -> str | None:
    """The database's revision, or None where there is none yet; a missing SQLite file is not created by
    asking.

    Raises:
        CommandError: it cannot be read.
    """
    from telemetry.store import migrate

    if (path := sqlite_path(effective.store_url)) is not None and not path.exists():
        return None
    with _failures_told(effective):
        return migrate.current(effective.store_url)


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite database; None of any other."""
    from sqlalchemy.engine import make_url

    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
        return None
    return Path(parsed.database)


def bring_up_to_date(effective: Settings) -> None:
    """Create the database or bring its schema to this version's.

    Raises:
        CommandError: it cannot be written, or is of a newer version.
    """
    from telemetry.store import migrate

    path = sqlite_path(effective.store_url)
    if path is not None and not path.absolute().parent.exists():
        raise CommandError(
            f"the database {redact(effective.store_url)} cannot be created: there is no folder"
            f" {path.absolute().parent}"
        )
    with _failures_told(effective), spinner("bringing the database up to date …"):
        migrate.upgrade(effective.store_url)


def work_with(
    effective: Settings,
    work: Callable[[AsyncEngine], Awaitable[Found]],
    *,
    write: bool = False,
    told: str = "reading the database …",
) -> Found:
    """Do something with a database of this version; readers have no time limit here. A person at a terminal
    is `told` that it goes on ('': the work does so itself).

    Raises:
        CommandError: there is no such database, or it failed; the message says what to do.
    """
    from telemetry.store import migrate

    shown, found = redact(effective.store_url), revision(effective)
    if found is None:
        raise CommandError(f"there is no database {shown} yet: serve some requests first")
    if found != migrate.head():
        raise CommandError(f"the database {shown} is of another version: run `firsttoken db upgrade`")
    with _failures_told(effective), spinner(told, quiet=not told):
        return asyncio.run(_with_engine(effective.store_url, work, write=write))


def try_writing(effective: Settings, found: str | None) -> None:
    """Write to a database of revision `found` (None: without tables) and take it back.

    Raises:
        CommandError: it cannot be written.
    """
    from telemetry.store.inspection import try_writing as attempt

    with _failures_told(effective):
        asyncio.run(
            _with_engine(
                effective.store_url, lambda engine: attempt(engine, with_tables=found is not None), write=True
            )
        )


async def _with_engine(url: str, work: Callable[[AsyncEngine], Awaitable[Found]], *, write: bool) -> Found:
    from telemetry.store.engine import create_reader, create_writer
    from telemetry.store.queries.reading import patience_s

    patience_s.set(None)
    over = threading.Event()
    engine = create_writer(url) if write else create_reader(url, limit_s=NO_LIMIT, over=over.is_set)
    working = asyncio.ensure_future(work(engine))
    try:
        await asyncio.wait({working})
        return working.result()
    except asyncio.CancelledError:
        # Ctrl-C: a statement that goes on would keep its thread, and the thread the program
        over.set()
        working.cancel()
        await asyncio.wait({working})
        raise
    finally:
        await engine.dispose()


@contextmanager
def _failures_told(effective: Settings) -> Iterator[None]:
    """What a database or its driver raises becomes one line that names the database, without its password."""
    from sqlalchemy.exc import SQLAlchemyError

    from telemetry.store.failures import first_line, is_driver_error
    from telemetry.store.migrate import StoreVersionError
    from telemetry.store.queries.reading import StoreUnreadable

    shown, logged = redact(effective.store_url), logging.NullHandler()
    # what goes wrong is told below; a pool would write a traceback of its own
    logging.getLogger().addHandler(logged)
    try:
        yield
    except (SQLAlchemyError, OSError, StoreUnreadable, StoreVersionError, ModuleNotFoundError) as error:
        said = redact(first_line(error))
        remedy = ": another program writes to it; try again" if "locked" in said else ""
        raise CommandError(f"the database {shown} failed: {said}{remedy}") from error
    except Exception as error:
        if not is_driver_error(error):
            raise
        raise CommandError(f"the database {shown} failed: {redact(first_line(error))}") from error
    finally:
        logging.getLogger().removeHandler(logged)
