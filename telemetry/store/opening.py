"""The opening of the database for the writer: of this version, known to it as a gateway, and without requests
of gateways that are gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.store.engine import MIGRATION_LIMIT_S, STATEMENT_LIMIT_S
from telemetry.store.instances import Instance, interrupt, register
from telemetry.store.migrate import StoreVersionError, bring_up_to_date, head, revision_of

log = logging.getLogger(__name__)


async def open_store(
    url: str, engine: AsyncEngine, instance: Instance, opening: Callable[[str], None]
) -> int:
    """Bring the schema up to date, make the gateway known; returns how many of its transactions the database
    has. `opening` is called with words for what may take long.

    Raises:
        SQLAlchemyError: the database cannot be reached or written.
        OSError: likewise, or it does not answer in time.
        StoreVersionError: it is of a newer version, and nothing is written to it.
    """
    found, batches = await _enter(engine, instance)
    if batches is None:
        opening(f"the database is being brought from revision {found or 'none'} to {head()}")
        async with asyncio.timeout(MIGRATION_LIMIT_S):
            await bring_up_to_date(url)
        found, batches = await _enter(engine, instance)
    if batches is None:
        raise StoreVersionError(f"the database is at revision {found}, not at {head()}")
    return batches


async def _enter(engine: AsyncEngine, instance: Instance) -> tuple[str | None, int | None]:
    """The revision, and where that is ours the number of our transactions: looked at and entered in one."""
    async with asyncio.timeout(STATEMENT_LIMIT_S), engine.begin() as connection:
        found = await revision_of(connection)
        if found != head():
            return found, None
        batches = await register(connection, instance)
        interrupted = await interrupt(connection, instance)
    if interrupted:
        log.info("%d requests of gateways that are gone are marked as interrupted", interrupted)
    return found, batches
