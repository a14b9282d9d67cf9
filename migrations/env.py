"""How Alembic reaches the database: through the connection that `telemetry.store.migrate` gives, or by
URL.
"""

from __future__ import annotations

import asyncio

from alembic import context
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine

import telemetry.store.rollups.tables  # noqa: F401 - all tables are then in the metadata
from telemetry.store.models import Base


def run(connection: Connection) -> None:
    """Run the migrations in one transaction; SQLite alters tables by copying them."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        transactional_ddl=True,  # SQLite's too: whoever gives the connection has begun its transaction
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


async def connect(url: str) -> None:
    """For the command line of Alembic."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            # else each CREATE is a transaction of its own
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
        await connection.run_sync(run)
    await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    asyncio.run(connect(context.config.get_main_option("sqlalchemy.url") or ""))
