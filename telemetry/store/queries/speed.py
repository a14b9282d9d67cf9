"""Speeds by engine configuration: what the regression watch compares, and what it found before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.histogram import bucket_of
from telemetry.regression import MIN_REQUESTS, compare
from telemetry.speed_change import SpeedChange
from telemetry.store.models import EngineConfigRow, SpeedChangeRow
from telemetry.store.queries.reading import fetch
from telemetry.store.queries.rollup_reader import cover_from, histograms
from telemetry.store.rollup_models import RollupRow, SeriesRow
from telemetry.store.rollups.measures import SCALE, Measure

MEASURES = (Measure.OUTPUT_RATE, Measure.PROMPT_RATE)
"""One value per request each. TTFT is not among them: it
depends on what the cache had more than on the engine.
"""

MEMORY_MINUTES = 14 * 24 * 60
"""The time back to which speeds are compared."""

SpeedHistograms = Mapping[tuple[str, str, Measure], Mapping[int, int]]
"""Configuration, context bucket, measure → log histogram."""


async def changes(engine: AsyncEngine, now_s: float) -> list[SpeedChange]:
    """For each model, every speed of its present configuration that differs beyond noise from the one before.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    since = int(now_s) // 60 - MEMORY_MINUTES
    found: list[SpeedChange] = []
    for model, (after, before, changed) in (await _configurations(engine, since)).items():
        histograms = await _histograms(engine, model, {before: since, after: changed})
        shared = sorted(
            (bucket, measure)
            for config, bucket, measure in histograms
            if config == after and (before, bucket, measure) in histograms
        )
        for bucket, measure in shared:
            shift = compare(histograms[before, bucket, measure], histograms[after, bucket, measure])
            if shift is not None and shift.matters(len(shared)):
                scale = SCALE[measure]
                figures = (
                    shift.before * scale,
                    shift.after * scale,
                    shift.before_count,
                    shift.after_count,
                    shift.p_value,
                )
                found.append(SpeedChange(model, bucket, measure.value, before, after, *figures))
    return found


async def _configurations(engine: AsyncEngine, since: int) -> dict[str, tuple[str, str, int]]:
    """Model → the configuration that served last, the one that did before it,
    and the last minute of that one; models with only one configuration are left
    out. Of two in one minute the one that was announced later is the later one.
    """
    of_series = (
        select(func.max(RollupRow.minute)).where(RollupRow.series_id == SeriesRow.id).scalar_subquery()
    )
    last = func.max(of_series)
    statement = (
        select(SeriesRow.model, SeriesRow.engine_config_id, last)
        .join(EngineConfigRow, EngineConfigRow.id == SeriesRow.engine_config_id)
        .group_by(SeriesRow.model, SeriesRow.engine_config_id)
        .order_by(
            last.desc(),
            func.max(EngineConfigRow.first_seen_at).desc(),
            SeriesRow.model,
            SeriesRow.engine_config_id,
        )
    )
    by_model: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for model, config, minute in await fetch(engine, statement):
        if minute is not None and minute >= since:
            by_model[model].append((config, int(minute)))
    return {model: (found[0][0], *found[1]) for model, found in by_model.items() if len(found) > 1}


async def _histograms(engine: AsyncEngine, model: str, configs: Mapping[str, int]) -> SpeedHistograms:
    """Of each configuration from its minute on: what served
    before the other one did is not what came after it.
    """
    found: dict[tuple[str, str, Measure], Mapping[int, int]] = {}
    for config, minute in configs.items():
        conditions = (SeriesRow.model == model, SeriesRow.engine_config_id == config)
        covered = await cover_from(engine, minute)
        read = await histograms(engine, covered, lambda _: (SeriesRow.context_bucket,), MEASURES, *conditions)
        for (context,), measured in read.items():
            for measure, buckets in measured.items():
                found[config, context, measure] = buckets.as_dict()
    return found


async def known(engine: AsyncEngine) -> list[SpeedChangeRow]:
    """Every change that was ever reported, newest first."""
    return [row[0] for row in await fetch(engine, select(SpeedChangeRow).order_by(SpeedChangeRow.id.desc()))]


@dataclass(frozen=True, slots=True)
class Expected:
    """Output tokens/s of requests like one: their number and
    percentiles, and the share of them that were slower (0 to 1).
    """

    requests: int
    p10: float
    p50: float
    p90: float
    slower: float


async def expected(
    engine: AsyncEngine, config: str, context: str, rate: float, now_s: float
) -> Expected | None:
    """The rates that requests with this configuration and context
    bucket had lately; None where there are too few to say.
    """
    covered = await cover_from(engine, int(now_s) // 60 - MEMORY_MINUTES)
    conditions = (SeriesRow.engine_config_id == config, SeriesRow.context_bucket == context)
    found = await histograms(engine, covered, lambda _: (), (Measure.OUTPUT_RATE,), *conditions)
    buckets = found[()][Measure.OUTPUT_RATE]
    total, scale = buckets.total, SCALE[Measure.OUTPUT_RATE]
    p10, p50, p90 = buckets.percentiles((0.1, 0.5, 0.9))
    if total < MIN_REQUESTS or p10 is None or p50 is None or p90 is None:
        return None
    slower = total - buckets.above(bucket_of(rate / scale) - 1)
    return Expected(total, p10 * scale, p50 * scale, p90 * scale, slower / total)
