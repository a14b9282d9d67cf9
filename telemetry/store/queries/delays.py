"""Delays between requests, both ways: what one request waited for, and which requests waited for it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.store.models import DelayRow, RequestRow
from telemetry.store.queries.reading import fetch

MAX_DELAYED = 50
"""Requests that waited for one: a long prompt may hold up many."""


@dataclass(frozen=True, slots=True)
class StoredDelay:
    """A delay and the request at its other end; `request_id` None where that is not kept (any more)."""

    row: DelayRow
    request_id: str | None


async def delayed_by(engine: AsyncEngine, seq: int) -> list[StoredDelay]:
    """The delays of a request, the largest first."""
    other = select(DelayRow, RequestRow.id).outerjoin(RequestRow, RequestRow.seq == DelayRow.by_seq)
    return [
        StoredDelay(row[0], row[1])
        for row in await fetch(engine, other.where(DelayRow.seq == seq).order_by(DelayRow.rank))
    ]


async def delayed(engine: AsyncEngine, seq: int) -> list[StoredDelay]:
    """The delays of others that waited for a request, the largest first."""
    other = select(DelayRow, RequestRow.id).join(RequestRow, RequestRow.seq == DelayRow.seq)
    found = await fetch(
        engine, other.where(DelayRow.by_seq == seq).order_by(DelayRow.total_us.desc()).limit(MAX_DELAYED)
    )
    return [StoredDelay(row[0], row[1]) for row in found]
