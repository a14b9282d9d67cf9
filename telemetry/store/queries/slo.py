"""Good and bad requests of the last minutes, for the objectives; from the roll-ups only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.histogram import bucket_of
from telemetry.slo import INTER_TOKEN, TTFT, Counts, Objective
from telemetry.store.queries.reading import fetch_columns
from telemetry.store.queries.rollup_reader import Cover, Key, cover_parts, histograms, rows_in
from telemetry.store.rollups.measures import SCALE, Measure
from telemetry.store.rollups.tables import COUNTERS
from telemetry.store.sql import constant

MEASURES = {TTFT: Measure.TTFT, INTER_TOKEN: Measure.INTER_TOKEN}
"""The measure of each objective about a time; any other is about availability."""


async def counts(
    engine: AsyncEngine, objective: Objective, minutes: Sequence[int], now_s: float
) -> dict[int, Counts]:
    """Counts over each of these windows, the present minute included.

    A threshold lies inside a bucket of the histograms (1.7 % wide): all of that bucket counts as good.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    firsts = sorted({int(now_s) // 60 - window + 1 for window in minutes})
    covered = await cover_parts(engine, firsts)
    measure = MEASURES.get(objective.name)
    if measure is None:
        parts = await _answered(engine, covered, firsts)
    else:
        assert objective.threshold_ms is not None
        parts = await _measured(
            engine, covered, firsts, measure, bucket_of(objective.threshold_ms / SCALE[measure])
        )
    return {window: _from(parts, int(now_s) // 60 - window + 1) for window in minutes}


def _part(firsts: Sequence[int]) -> Key:
    """The part of the time that a minute is in, by its first minute:
    windows end together, so each holds the parts from its own on.
    """
    return lambda minute: (
        case(*((minute >= constant(first), constant(first)) for first in reversed(firsts))),
    )


async def _answered(engine: AsyncEngine, covered: Cover, firsts: Sequence[int]) -> dict[int, Counts]:
    """Requests that were answered or that we failed: a client's
    mistake and one that left are neither good nor bad.
    """
    found = rows_in(COUNTERS, covered)
    rows = found.c
    (part,) = _part(firsts)(rows.minute)
    asked = func.sum(rows.requests - rows.cancelled - rows.errors + rows.failures)
    statement = select(part, asked, func.sum(rows.failures)).group_by(part)
    return {
        first: Counts(int(total), int(bad)) for first, total, bad in await fetch_columns(engine, statement)
    }


async def _measured(
    engine: AsyncEngine, covered: Cover, firsts: Sequence[int], measure: Measure, limit: int
) -> dict[int, Counts]:
    found = await histograms(engine, covered, _part(firsts), (measure,))
    return {
        first: Counts(buckets[measure].total, buckets[measure].above(limit))
        for (first,), buckets in found.items()
    }


def _from(parts: Mapping[int, Counts], first: int) -> Counts:
    within = [counts for begin, counts in parts.items() if begin >= first]
    return Counts(sum(part.total for part in within), sum(part.bad for part in within))
