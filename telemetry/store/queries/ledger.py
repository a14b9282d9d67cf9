"""The cache ledger: what lookups in the prefix cache gave and what had to be computed, by reason and by tier."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.store.models import CacheRollupRow, SeriesRow
from telemetry.store.queries.reading import fetch
from telemetry.store.queries.statistics import within
from telemetry.store.queries.windows import Window


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """Lookups with one reason whose hit came from one tier (`none`: nothing was there).

    `computed_s` is the prefill time of the tokens that were missed; of requests that ended before their first token
    neither is known.
    """

    model: str
    reason: str
    source: str
    lookups: int
    cached_tokens: int
    computed_tokens: int
    computed_s: float


async def ledger(engine: AsyncEngine, window: Window, now_s: float) -> list[LedgerEntry]:
    """Every reason and tier of a window, the dearest first.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    key = (SeriesRow.model, CacheRollupRow.reason, CacheRollupRow.source)
    counters = (CacheRollupRow.lookups, CacheRollupRow.cached_tokens, CacheRollupRow.computed_tokens, CacheRollupRow.computed_us)
    statement = (
        select(*key, *(func.sum(counter) for counter in counters))
        .join(SeriesRow, SeriesRow.id == CacheRollupRow.series_id)
        .where(*within(CacheRollupRow.minute, window, now_s))
        .group_by(*key)
    )
    rows = await fetch(engine, statement)
    found = [LedgerEntry(row[0], row[1], row[2], int(row[3]), int(row[4]), int(row[5]), int(row[6]) / 1e6) for row in rows]
    return sorted(found, key=lambda entry: -entry.computed_s)
