"""Window statistics from the roll-ups: counters are summed, histograms are merged in SQL, no request row is read."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import ColumnElement, Integer, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.histogram import percentile
from telemetry.store.measures import SCALE, Measure
from telemetry.store.models import HistogramRow, RollupRow, SeriesRow
from telemetry.store.queries.reading import fetch
from telemetry.store.queries.windows import Window

MAX_POINTS = 120
"""Most points of a chart; longer windows take several minutes per point."""

STEPS = (1, 2, 5, 10, 15, 30, 60, 2 * 60, 4 * 60, 6 * 60, 12 * 60)
"""Minutes per point; then whole days."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Counters over a window. `errors` and `cancelled` are parts of `requests`; tokens include failed requests.

    `energy_j` and `cost` are sums over the `energy_requests` and `cost_requests` that have one; `energy_tokens` are the
    output tokens of the former.
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
class Spread:
    """A measure's distribution in its shown unit (ms or tokens/s); None where nothing was measured."""

    count: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


NOTHING = Spread()

Spreads = Mapping[Measure, Spread]

_MEASURES = {measure.value: measure for measure in Measure}


@dataclass(frozen=True, slots=True)
class Point:
    """One step of a chart, from `start_s` (Unix seconds) on, `minutes` long."""

    start_s: int
    minutes: int
    requests: int = 0
    errors: int = 0
    spreads: Spreads = field(default_factory=dict)

    def spread(self, measure: Measure) -> Spread:
        """The distribution of a measure in this step."""
        return self.spreads.get(measure, NOTHING)


FRACTIONAL = frozenset({"energy_j", "cost"})
"""Counters that are no whole numbers."""

COUNTERS = tuple(func.sum(getattr(RollupRow, counter.name)) for counter in fields(Totals))


async def totals(engine: AsyncEngine, window: Window, now_s: float) -> Totals:
    """Counters of all models together."""
    rows = await fetch(engine, select(*COUNTERS).where(*within(RollupRow.minute, window, now_s)))
    return totals_of(rows[0])


async def anything(engine: AsyncEngine) -> bool:
    """Whether any request was ever counted."""
    return bool(await fetch(engine, select(RollupRow.minute).limit(1)))


async def spreads(engine: AsyncEngine, window: Window, now_s: float) -> dict[Measure, Spread]:
    """Distributions of all models together."""
    statement = (
        select(HistogramRow.measure, HistogramRow.bucket, func.sum(HistogramRow.count))
        .where(*within(HistogramRow.minute, window, now_s))
        .group_by(HistogramRow.measure, HistogramRow.bucket)
    )
    return spreads_of((measure, bucket, count) for measure, bucket, count in await fetch(engine, statement))


@dataclass(frozen=True, slots=True)
class Steps:
    """A window cut into steps of `minutes`, from the Unix minute `first` on; steps begin at multiples, so the first may be cut."""

    first: int
    last: int
    minutes: int

    @property
    def indexes(self) -> range:
        """The steps, oldest first: step n begins at Unix minute n * `minutes`."""
        return range(self.first // self.minutes, self.last // self.minutes + 1)

    @property
    def starts_s(self) -> list[int]:
        """Where each step begins, in Unix seconds."""
        return [index * self.minutes * 60 for index in self.indexes]


async def steps_of(engine: AsyncEngine, window: Window, now_s: float, most: int = MAX_POINTS) -> Steps | None:
    """The window in at most so many steps; None for all time of an empty store.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    last = int(now_s) // 60
    first = await _first_minute(engine, window, last)
    return None if first is None else Steps(first, last, _step(first, last, most))


async def points(engine: AsyncEngine, window: Window, now_s: float) -> list[Point]:
    """The window in at most `MAX_POINTS` steps, oldest first; steps without requests are there, and empty."""
    steps = await steps_of(engine, window, now_s)
    if steps is None:
        return []
    counters = await _counters_by_step(engine, steps.first, steps.minutes)
    histograms = await _histograms_by_step(engine, steps.first, steps.minutes)
    return [
        Point(index * steps.minutes * 60, steps.minutes, *counters.get(index, (0, 0)), spreads=histograms.get(index, {}))
        for index in steps.indexes
    ]


def _step(first: int, last: int, most: int) -> int:
    """The smallest step that gives at most so many."""
    steps = itertools.chain(STEPS, (days * 24 * 60 for days in itertools.count(1)))
    return next(step for step in steps if last // step - first // step < most)


async def _first_minute(engine: AsyncEngine, window: Window, last: int) -> int | None:
    if window.minutes is not None:
        return last - window.minutes + 1
    found: int | None = (await fetch(engine, select(func.min(RollupRow.minute))))[0][0]
    return found


async def _counters_by_step(engine: AsyncEngine, first: int, step: int) -> dict[int, tuple[int, int]]:
    index = RollupRow.minute // constant(step)
    statement = select(index, func.sum(RollupRow.requests), func.sum(RollupRow.errors)).where(RollupRow.minute >= first).group_by(index)
    return {row[0]: (int(row[1]), int(row[2])) for row in await fetch(engine, statement)}


async def _histograms_by_step(engine: AsyncEngine, first: int, step: int) -> dict[int, dict[Measure, Spread]]:
    index = HistogramRow.minute // constant(step)
    statement = (
        select(index, HistogramRow.measure, HistogramRow.bucket, func.sum(HistogramRow.count))
        .where(HistogramRow.minute >= first, HistogramRow.measure.in_([Measure.TTFT, Measure.OUTPUT_RATE]))
        .group_by(index, HistogramRow.measure, HistogramRow.bucket)
    )
    buckets: dict[int, list[tuple[str, int, int]]] = defaultdict(list)
    for number, measure, bucket, count in await fetch(engine, statement):
        buckets[number].append((measure, bucket, count))
    return {number: spreads_of(rows) for number, rows in buckets.items()}


def constant(number: int) -> ColumnElement[int]:
    """A number in the statement's text: PostgreSQL takes two bound parameters for two different expressions in GROUP BY."""
    return literal_column(str(number), Integer)


def within(minute: Any, window: Window, now_s: float) -> list[ColumnElement[bool]]:
    """The minutes of a window, the current one included."""
    return [] if window.minutes is None else [minute > int(now_s) // 60 - window.minutes]


def of_model(model: str | None) -> list[ColumnElement[bool]]:
    """The series of one model; None is all of them."""
    return [] if model is None else [SeriesRow.model == model]


def totals_of(row: Any) -> Totals:
    """The sums of `COUNTERS`; NULL (nothing in the window) is 0."""
    named = zip((counter.name for counter in fields(Totals)), row, strict=True)
    counted: dict[str, Any] = {name: float(value or 0) if name in FRACTIONAL else int(value or 0) for name, value in named}
    return Totals(**counted)


def spreads_of(rows: Any) -> dict[Measure, Spread]:
    """Percentiles per measure from (measure, bucket, count) rows; measures of a newer version are passed over."""
    histograms: dict[Measure, dict[int, int]] = defaultdict(dict)
    for name, bucket, count in rows:
        if (measure := _MEASURES.get(name)) is not None:
            histograms[measure][bucket] = int(count)
    return {measure: _spread(buckets, SCALE[measure]) for measure, buckets in histograms.items()}


def _spread(buckets: Mapping[int, int], scale: float) -> Spread:
    p50, p95, p99 = (None if value is None else value * scale for value in (percentile(buckets, q) for q in (0.5, 0.95, 0.99)))
    return Spread(sum(buckets.values()), p50, p95, p99)
