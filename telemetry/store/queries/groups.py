"""Statistics of a window by group: context bucket, engine configuration or day, each per model; from the roll-ups only."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.store.measures import Measure
from telemetry.store.models import HistogramRow, RollupRow, SeriesRow
from telemetry.store.queries.reading import fetch
from telemetry.store.queries.statistics import (
    COUNTERS,
    NOTHING,
    Spread,
    Spreads,
    Steps,
    Totals,
    constant,
    of_model,
    spreads_of,
    totals_of,
    within,
)
from telemetry.store.queries.windows import Window

DAY_S = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Group:
    """Counters and distributions of one model and one `part` (context bucket, engine configuration, day)."""

    model: str
    part: str
    totals: Totals
    spreads: Spreads

    def spread(self, measure: Measure) -> Spread:
        """The distribution of a measure in this group."""
        return self.spreads.get(measure, NOTHING)


async def by_context(engine: AsyncEngine, window: Window, now_s: float, model: str | None = None) -> list[Group]:
    """Per model and context bucket; requests whose prompt was never counted have the part ''."""
    return await _groups(engine, window, now_s, (SeriesRow.context_bucket, SeriesRow.context_bucket), model)


async def by_context_and_together(
    engine: AsyncEngine, window: Window, now_s: float, model: str | None = None
) -> tuple[list[Group], dict[Measure, Spread]]:
    """`by_context`, and the distributions of all of them together: merged from the same rows, as `statistics.spreads` has them."""
    groups, buckets = await _read(engine, window, now_s, (SeriesRow.context_bucket, SeriesRow.context_bucket), model)
    merged: dict[tuple[str, int], int] = defaultdict(int)
    for rows in buckets.values():
        for measure, bucket, count in rows:
            merged[measure, bucket] += int(count)
    return groups, spreads_of((measure, bucket, count) for (measure, bucket), count in merged.items())


async def by_configuration(engine: AsyncEngine, window: Window, now_s: float, model: str | None = None) -> list[Group]:
    """Per model and engine configuration; requests that no engine took have the part ''."""
    return await _groups(engine, window, now_s, (SeriesRow.engine_config_id, SeriesRow.engine_config_id), model)


async def by_day(engine: AsyncEngine, window: Window, now_s: float, model: str | None = None) -> list[Group]:
    """Per model and day; the part is the UTC date, the newest one first."""
    minutes = constant(DAY_S // 60)
    groups = await _groups(engine, window, now_s, (RollupRow.minute // minutes, HistogramRow.minute // minutes), model)
    dated = [replace(group, part=datetime.fromtimestamp(int(group.part) * DAY_S, UTC).date().isoformat()) for group in groups]
    return sorted(dated, key=lambda group: group.part, reverse=True)


async def by_step_and_context(
    engine: AsyncEngine, steps: Steps, measure: Measure, model: str | None = None
) -> dict[tuple[int, str], Spread]:
    """One measure per step of time and context bucket, of one model or of all together.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    index = HistogramRow.minute // constant(steps.minutes)
    statement = (
        select(index, SeriesRow.context_bucket, HistogramRow.bucket, func.sum(HistogramRow.count))
        .join(SeriesRow, SeriesRow.id == HistogramRow.series_id)
        .where(HistogramRow.minute >= steps.first, HistogramRow.measure == measure, *of_model(model))
        .group_by(index, SeriesRow.context_bucket, HistogramRow.bucket)
    )
    buckets: dict[tuple[int, str], list[tuple[str, int, int]]] = defaultdict(list)
    for number, context, bucket, count in await fetch(engine, statement):
        buckets[number, context].append((measure, bucket, count))
    return {key: spreads_of(rows)[measure] for key, rows in buckets.items()}


async def _groups(engine: AsyncEngine, window: Window, now_s: float, parts: tuple[Any, Any], model: str | None) -> list[Group]:
    groups, _ = await _read(engine, window, now_s, parts, model)
    return groups


async def _read(
    engine: AsyncEngine, window: Window, now_s: float, parts: tuple[Any, Any], model: str | None
) -> tuple[list[Group], dict[tuple[str, Any], list[tuple[str, int, int]]]]:
    """Groups, and the buckets of their histograms. `parts` are the expressions to group by, of the counters and of the histograms; `model` None is all of them."""
    counter_part, histogram_part = parts
    counted = (
        select(SeriesRow.model, counter_part, *COUNTERS)
        .join(SeriesRow, SeriesRow.id == RollupRow.series_id)
        .where(*within(RollupRow.minute, window, now_s), *of_model(model))
        .group_by(SeriesRow.model, counter_part)
    )
    measured = (
        select(SeriesRow.model, histogram_part, HistogramRow.measure, HistogramRow.bucket, func.sum(HistogramRow.count))
        .join(SeriesRow, SeriesRow.id == HistogramRow.series_id)
        .where(*within(HistogramRow.minute, window, now_s), *of_model(model))
        .group_by(SeriesRow.model, histogram_part, HistogramRow.measure, HistogramRow.bucket)
    )
    buckets: dict[tuple[str, Any], list[tuple[str, int, int]]] = defaultdict(list)
    for name, part, *histogram in await fetch(engine, measured):
        buckets[name, part].append((histogram[0], histogram[1], histogram[2]))
    rows = await fetch(engine, counted)
    return [Group(row[0], row[1], totals_of(row[2:]), spreads_of(buckets[row[0], row[1]])) for row in rows], buckets
