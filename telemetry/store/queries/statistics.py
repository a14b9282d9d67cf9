"""Window statistics from the roll-ups: counters are summed, histograms are merged, no request row is read."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import ColumnElement, Subquery, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.histogram import Buckets
from telemetry.store.queries.reading import fetch_columns
from telemetry.store.queries.rollup_reader import Cover, Key, cover_from, histograms, rows_in, window_cover
from telemetry.store.queries.windows import Window
from telemetry.store.rollup_models import RollupRow, SeriesRow
from telemetry.store.rollups.measures import SCALE, Measure
from telemetry.store.rollups.tables import COUNTERS
from telemetry.store.sql import constant

MAX_POINTS = 120
"""Most points of a chart; longer windows take several minutes per point."""

STEPS = (1, 2, 5, 10, 15, 30, 60, 2 * 60, 4 * 60, 6 * 60, 12 * 60)
"""Minutes per point; then whole days."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Counters over a window. `errors` and `cancelled` are parts of `requests`;
    tokens include those of refused, failed and cancelled requests, so that no
    share is had by dividing them (`queries.cached` has that of the cache).

    `energy_j` and `cost` are sums over the `energy_requests` and `cost_requests` that have one;
    `energy_tokens` are the output tokens of the former.
    """

    requests: int = 0
    errors: int = 0
    cancelled: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    energy_requests: int = 0
    energy_j: float = 0.0
    energy_tokens: int = 0
    cost_requests: int = 0
    cost: float = 0.0

    @property
    def joules(self) -> float | None:
        """Energy, None where it was measured of no request."""
        return self.energy_j if self.energy_requests else None

    @property
    def joules_per_output_token(self) -> float | None:
        """Energy per output token, prompts included, of the requests whose energy was measured."""
        return self.energy_j / self.energy_tokens if self.energy_tokens else None

    @property
    def known_cost(self) -> float | None:
        """Cost, None where no request has one."""
        return self.cost if self.cost_requests else None


@dataclass(frozen=True, slots=True)
class Percentiles:
    """A measure's distribution in its shown unit (ms or tokens/s); None where nothing was measured.

    Percentiles are from the lowest value up: of a time p95 and p99 are the slow side, of a rate p5 is, and
    its p95 and p99 are the fastest.
    """

    count: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    p5: float | None = None


NOTHING = Percentiles()

MeasurePercentiles = Mapping[Measure, Percentiles]


@dataclass(frozen=True, slots=True)
class Point:
    """One step of a chart, from `start_s` (Unix seconds) on, `minutes` long."""

    start_s: int
    minutes: int
    requests: int = 0
    errors: int = 0
    by_measure: MeasurePercentiles = field(default_factory=dict)

    def percentiles(self, measure: Measure) -> Percentiles:
        """The distribution of a measure in this step."""
        return self.by_measure.get(measure, NOTHING)


FRACTIONAL = frozenset({"energy_j", "cost"})
"""Counters that are no whole numbers."""


def sums(rows: Subquery) -> list[ColumnElement[Any]]:
    """The columns that `totals_of` takes, of rows of `COUNTERS`."""
    return [func.sum(rows.c[counter.name]) for counter in fields(Totals)]


async def totals(engine: AsyncEngine, window: Window, now_s: float) -> Totals:
    """Counters of all models together."""
    found = rows_in(COUNTERS, await window_cover(engine, window, now_s))
    return totals_of((await fetch_columns(engine, select(*sums(found))))[0])


async def has_rollups(engine: AsyncEngine) -> bool:
    """True where any request was ever counted."""
    return bool(await fetch_columns(engine, select(RollupRow.minute).limit(1)))


async def percentiles(engine: AsyncEngine, window: Window, now_s: float) -> dict[Measure, Percentiles]:
    """Distributions of all models together."""
    covered = await window_cover(engine, window, now_s)
    return percentiles_of((await histograms(engine, covered, lambda _: (), Measure))[()])


@dataclass(frozen=True, slots=True)
class Steps:
    """A window cut into steps of `minutes`, from the Unix minute
    `first` on; steps begin at multiples, so the first may be cut.
    """

    first: int
    last: int
    minutes: int

    @property
    def indexes(self) -> range:
        """The steps, oldest first: step n begins at Unix minute n * `minutes`."""
        return range(self.first // self.minutes, self.last // self.minutes + 1)

    @property
    def starts_s(self) -> list[int]:
        """The beginning of each step, in Unix seconds."""
        return [index * self.minutes * 60 for index in self.indexes]


async def steps_of(
    engine: AsyncEngine, window: Window, now_s: float, max_steps: int = MAX_POINTS
) -> Steps | None:
    """The window in at most so many steps; None for all time of an empty store.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    last = int(now_s) // 60
    first = await _first_minute(engine, window, last)
    return None if first is None else Steps(first, last, _step(first, last, max_steps))


async def points(engine: AsyncEngine, window: Window, now_s: float) -> list[Point]:
    """The window in at most `MAX_POINTS` steps, oldest first; steps without requests are there, and empty."""
    steps = await steps_of(engine, window, now_s)
    if steps is None:
        return []
    covered = await cover_from(engine, steps.first, steps.minutes)
    counters = await _counters_by_step(engine, covered, steps.minutes)
    found = await histograms(engine, covered, by_step(steps.minutes), (Measure.TTFT, Measure.OUTPUT_RATE))
    return [
        Point(
            index * steps.minutes * 60,
            steps.minutes,
            *counters.get(index, (0, 0)),
            by_measure=percentiles_of(found.get((index,), {})),
        )
        for index in steps.indexes
    ]


def by_step(minutes: int) -> Key:
    """The number of a step of so many minutes."""
    return lambda minute: (minute // constant(minutes),)


def _step(first: int, last: int, max_steps: int) -> int:
    """The smallest step that gives at most so many."""
    steps = itertools.chain(STEPS, (days * 24 * 60 for days in itertools.count(1)))
    return next(step for step in steps if last // step - first // step < max_steps)


async def _first_minute(engine: AsyncEngine, window: Window, last: int) -> int | None:
    if window.minutes is not None:
        return last - window.minutes + 1
    found: int | None = (await fetch_columns(engine, select(func.min(RollupRow.minute))))[0][0]
    return found


async def _counters_by_step(engine: AsyncEngine, covered: Cover, step: int) -> dict[int, tuple[int, int]]:
    rows = rows_in(COUNTERS, covered).c
    index = rows.minute // constant(step)
    statement = select(index, func.sum(rows.requests), func.sum(rows.errors)).group_by(index)
    return {row[0]: (int(row[1]), int(row[2])) for row in await fetch_columns(engine, statement)}


def of_model(model: str | None) -> list[ColumnElement[bool]]:
    """The series of one model; None is all of them."""
    return [] if model is None else [SeriesRow.model == model]


def totals_of(row: Any) -> Totals:
    """Totals from a row of `sums`; NULL (nothing in the window) is 0."""
    named = zip((counter.name for counter in fields(Totals)), row, strict=True)
    values: dict[str, Any] = {
        name: float(value or 0) if name in FRACTIONAL else int(value or 0) for name, value in named
    }
    return Totals(**values)


def percentiles_of(found: Mapping[Measure, Buckets]) -> dict[Measure, Percentiles]:
    """The percentiles of each histogram."""
    return {measure: _percentiles(buckets, SCALE[measure]) for measure, buckets in found.items()}


def _percentiles(buckets: Buckets, scale: float) -> Percentiles:
    p50, p95, p99, p5 = (
        None if value is None else value * scale for value in buckets.percentiles((0.5, 0.95, 0.99, 0.05))
    )
    return Percentiles(buckets.total, p50, p95, p99, p5)
