"""Good and bad requests of the last minutes, for the objectives; from the roll-ups only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Integer, case, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.histogram import bucket_of
from telemetry.slo import Counts, Objective
from telemetry.store.measures import SCALE, Measure
from telemetry.store.models import HistogramRow, RollupRow
from telemetry.store.queries.reading import fetch

MEASURES = {"ttft": Measure.TTFT, "inter_token": Measure.INTER_TOKEN}
"""The measure of each objective about a time; any other is about availability."""

COUNTED = RollupRow.requests - RollupRow.cancelled - RollupRow.errors + RollupRow.failures
"""Requests that were answered or that we failed: a client's mistake and one that left are neither good nor bad."""


async def counts(engine: AsyncEngine, objective: Objective, minutes: Sequence[int], now_s: float) -> dict[int, Counts]:
    """Counts over each of these windows, the present minute included.

    A threshold lies inside a bucket of the histograms (1.7 % wide): all of that bucket counts as good.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    measure = MEASURES.get(objective.name)
    row = RollupRow if measure is None else HistogramRow
    first = {window: int(now_s) // 60 - window for window in minutes}
    pair: tuple[Any, Any] = (COUNTED, RollupRow.failures)
    if measure is not None:
        assert objective.threshold_ms is not None
        limit = bucket_of(objective.threshold_ms / SCALE[measure])
        pair = (HistogramRow.count, case((HistogramRow.bucket > limit, HistogramRow.count), else_=0))
    columns = [
        func.sum(case((row.minute > literal_column(str(first[window]), Integer), value), else_=0)) for window in minutes for value in pair
    ]
    statement = select(*columns).where(row.minute > min(first.values()))
    if measure is not None:
        statement = statement.where(HistogramRow.measure == measure)
    found = [int(value or 0) for value in (await fetch(engine, statement))[0]]
    return {window: Counts(found[2 * index], found[2 * index + 1]) for index, window in enumerate(minutes)}
