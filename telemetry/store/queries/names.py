"""Names that a store knows: models that were ever asked for."""

from __future__ import annotations

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.store.batch import REQUESTS, SERIES
from telemetry.store.queries.reading import fetch


async def models(engine: AsyncEngine) -> list[str]:
    """The models that ever had a request that ended, by name; they stay when their requests are forgotten.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    rows = await fetch(
        engine, select(SERIES.c.model).where(SERIES.c.model != "").distinct().order_by(SERIES.c.model)
    )
    return [str(row[0]) for row in rows]


async def has_requests(engine: AsyncEngine, model: str) -> bool:
    """True where a request of a model is there, running ones and interrupted ones among them.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    return bool((await fetch(engine, select(exists().where(REQUESTS.c.model == model))))[0][0])
