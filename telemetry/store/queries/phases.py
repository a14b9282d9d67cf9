"""Phases of requests, by the time that they took: over time and by context bucket; from the roll-ups only."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.store.queries.reading import fetch_columns
from telemetry.store.queries.rollup_reader import Cover, Key, cover_from, rows_in, window_cover
from telemetry.store.queries.statistics import by_step, of_model
from telemetry.store.queries.windows import Window
from telemetry.store.rollup_models import SeriesRow
from telemetry.store.rollups.rollup import UNACCOUNTED
from telemetry.store.rollups.tables import PHASES


@dataclass(frozen=True, slots=True)
class PhaseMeans:
    """`requests` together, and what each phase took of a request
    on average (ms; of all, those without the phase included).
    """

    requests: int
    mean_ms: dict[str, float]

    @property
    def wall_ms(self) -> float:
        """The mean wall time: the phases add up to it."""
        return sum(self.mean_ms.values())


async def by_context(
    engine: AsyncEngine, window: Window, now_s: float, model: str | None = None
) -> dict[str, PhaseMeans]:
    """Per context bucket; '' where the prompt was never counted.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    return await _means(
        engine, await window_cover(engine, window, now_s), lambda _: (SeriesRow.context_bucket,), model
    )


async def over_time(
    engine: AsyncEngine, first_minute: int, step_minutes: int, model: str | None = None
) -> dict[int, PhaseMeans]:
    """Per step of so many minutes, by `minute // step_minutes`, from a minute on.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    return await _means(
        engine, await cover_from(engine, first_minute, step_minutes), by_step(step_minutes), model
    )


async def _means(engine: AsyncEngine, covered: Cover, key: Key, model: str | None) -> dict[Any, PhaseMeans]:
    found = rows_in(PHASES, covered)
    (part,) = key(found.c.minute)
    statement = (
        select(part, found.c.phase, func.sum(found.c.requests), func.sum(found.c.time_us))
        .join(SeriesRow, SeriesRow.id == found.c.series_id)
        .where(*of_model(model))
        .group_by(part, found.c.phase)
    )
    sums: dict[Any, dict[str, tuple[int, int]]] = defaultdict(dict)
    for group, phase, requests, time_us in await fetch_columns(engine, statement):
        sums[group][phase] = int(requests), int(time_us)
    return {group: _mean(phases) for group, phases in sums.items()}


def _mean(phases: dict[str, tuple[int, int]]) -> PhaseMeans:
    """Every request has an `unaccounted` part, so its count is that of all requests."""
    requests = phases.get(UNACCOUNTED, (0, 0))[0]
    return PhaseMeans(
        requests,
        {phase: time_us / 1e3 / requests for phase, (_, time_us) in phases.items()} if requests else {},
    )
