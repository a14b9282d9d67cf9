"""The cache ledger: what lookups in the prefix cache gave and
what had to be computed, by reason and by tier.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.store.queries.reading import fetch_columns
from telemetry.store.queries.rollup_reader import rows_in, window_cover
from telemetry.store.queries.windows import Window
from telemetry.store.rollup_models import SeriesRow
from telemetry.store.rollups.tables import CACHE


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """Lookups with one reason whose hit came from one tier (`none`: nothing was there).

    Tokens are those of requests that got their first token (`queries.cached`), `computed_s` is the prefill
    time of the missed ones.
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
    found = rows_in(CACHE, await window_cover(engine, window, now_s))
    key = (SeriesRow.model, found.c.reason, found.c.source)
    counters = (found.c.lookups, found.c.cached_tokens, found.c.computed_tokens, found.c.computed_us)
    statement = (
        select(*key, *(func.sum(counter) for counter in counters))
        .join(SeriesRow, SeriesRow.id == found.c.series_id)
        .group_by(*key)
    )
    rows = await fetch_columns(engine, statement)
    entries = [
        LedgerEntry(row[0], row[1], row[2], int(row[3]), int(row[4]), int(row[5]), int(row[6]) / 1e6)
        for row in rows
    ]
    return sorted(entries, key=lambda entry: (-entry.computed_s, entry.model, entry.reason, entry.source))
