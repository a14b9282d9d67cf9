"""Statistics of a window by group: context bucket, engine
configuration or day, each per model; from the roll-ups only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.histogram import Buckets
from telemetry.store.queries.cached import NO_PROMPTS, CacheShare, shares
from telemetry.store.queries.reading import fetch_columns
from telemetry.store.queries.rollup_reader import (
    Cover,
    Histograms,
    Key,
    cover_from,
    histograms,
    rows_in,
    window_cover,
)
from telemetry.store.queries.statistics import (
    NOTHING,
    MeasurePercentiles,
    Percentiles,
    Steps,
    Totals,
    by_step,
    of_model,
    percentiles_of,
    sums,
    totals_of,
)
from telemetry.store.queries.windows import Window
from telemetry.store.rollup_models import SeriesRow
from telemetry.store.rollups.measures import Measure
from telemetry.store.rollups.packed import add_up
from telemetry.store.rollups.tables import COUNTERS

DAY_S = 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Group:
    """Counters, distributions and cached share of one model and
    one `part` (context bucket, engine configuration, day).
    """

    model: str
    part: str
    totals: Totals
    by_measure: MeasurePercentiles
    cache: CacheShare = NO_PROMPTS

    def percentiles(self, measure: Measure) -> Percentiles:
        """The distribution of a measure in this group."""
        return self.by_measure.get(measure, NOTHING)


async def by_context(
    engine: AsyncEngine, window: Window, now_s: float, model: str | None = None
) -> list[Group]:
    """Per model and context bucket; requests whose prompt was never counted have the part ''."""
    return (await _read(engine, await window_cover(engine, window, now_s), _context, model))[0]


async def by_context_and_together(
    engine: AsyncEngine, window: Window, now_s: float, model: str | None = None
) -> tuple[list[Group], dict[Measure, Percentiles]]:
    """`by_context`, and the distributions of all of them together: merged from the same rows, as
    `statistics.percentiles` has them.
    """
    groups, found = await _read(engine, await window_cover(engine, window, now_s), _context, model)
    of_measure: dict[Measure, list[Buckets]] = defaultdict(list)
    for measured in found.values():
        for measure, buckets in measured.items():
            of_measure[measure].append(buckets)
    together = add_up(list(of_measure.values()))
    return groups, percentiles_of(dict(zip(of_measure, together, strict=True)))


async def by_configuration(
    engine: AsyncEngine, window: Window, now_s: float, model: str | None = None
) -> list[Group]:
    """Per model and engine configuration; requests that no engine took have the part ''."""
    return (
        await _read(
            engine, await window_cover(engine, window, now_s), lambda _: (SeriesRow.engine_config_id,), model
        )
    )[0]


async def by_day(engine: AsyncEngine, window: Window, now_s: float, model: str | None = None) -> list[Group]:
    """Per model and day; the part is the UTC date, the newest one first."""
    minutes = DAY_S // 60
    first = 0 if window.minutes is None else int(now_s) // 60 - window.minutes + 1
    groups, _ = await _read(engine, await cover_from(engine, first, minutes), by_step(minutes), model)
    dated = [
        replace(group, part=datetime.fromtimestamp(int(group.part) * DAY_S, UTC).date().isoformat())
        for group in groups
    ]
    return sorted(dated, key=lambda group: group.part, reverse=True)


async def by_step_and_context(
    engine: AsyncEngine, steps: Steps, measure: Measure, model: str | None = None
) -> dict[tuple[int, str], Percentiles]:
    """One measure per step of time and context bucket, of one model or of all together.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    covered = await cover_from(engine, steps.first, steps.minutes)
    step = by_step(steps.minutes)
    found = await histograms(
        engine,
        covered,
        lambda minute: (*step(minute), SeriesRow.context_bucket),
        (measure,),
        *of_model(model),
    )
    return {
        (number, context): percentiles_of(measured)[measure] for (number, context), measured in found.items()
    }


def _context(_: object) -> tuple[Any, ...]:
    return (SeriesRow.context_bucket,)


async def _read(
    engine: AsyncEngine, covered: Cover, part: Key, model: str | None
) -> tuple[list[Group], Histograms]:
    """Groups in the order of model and part, whatever order the
    database has, and their histograms; `model` None is all of them.
    """

    def key(minute: ColumnElement[int]) -> tuple[Any, ...]:
        return SeriesRow.model, *part(minute)

    found = await histograms(engine, covered, key, Measure, *of_model(model))
    counters = rows_in(COUNTERS, covered)
    parts = key(counters.c.minute)
    statement = select(*parts, *sums(counters)).join(SeriesRow, SeriesRow.id == counters.c.series_id)
    rows = await fetch_columns(engine, statement.where(*of_model(model)).group_by(*parts))
    cached = await shares(engine, covered, key, of_model(model))
    read = [_group((row[0], row[1]), totals_of(row[2:]), found, cached) for row in rows]
    return sorted(read, key=lambda group: (group.model, group.part)), found


def _group(
    key: tuple[str, str], totals: Totals, found: Histograms, cached: Mapping[tuple[Any, ...], CacheShare]
) -> Group:
    return Group(*key, totals, percentiles_of(found.get(key, {})), cached.get(key, NO_PROMPTS))
