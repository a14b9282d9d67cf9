"""Roll-ups for page tests: minutes of four context buckets, and the ledger of the cache."""

from __future__ import annotations

import random

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from telemetry.histogram import bucket_of
from telemetry.store.rollup_models import CacheRollupRow, HistogramRow, PhaseRollupRow, RollupRow, SeriesRow
from telemetry.store.rollups.measures import Measure
from tests.dashboard.samples import CONFIG, MODEL, NOW

LEDGER = [
    {
        "reason": "full_hit",
        "source": "kv",
        "lookups": 3,
        "cached_tokens": 2000,
        "computed_tokens": 3,
        "computed_us": 9_000,
    },
    {
        "reason": "appended",
        "source": "ram",
        "lookups": 5,
        "cached_tokens": 4000,
        "computed_tokens": 297,
        "computed_us": 191_000,
    },
    {
        "reason": "appended",
        "source": "disk",
        "lookups": 2,
        "cached_tokens": 2500,
        "computed_tokens": 100,
        "computed_us": 100_000,
    },
    {
        "reason": "history_edited",
        "source": "kv",
        "lookups": 2,
        "cached_tokens": 300,
        "computed_tokens": 800,
        "computed_us": 900_000,
    },
]


async def fill_rollups(engine: AsyncEngine, minutes: int = 50) -> None:
    """Roll-ups over the last minutes for four context buckets."""
    rng = random.Random(11)
    buckets = [("0-512", 90, 110), ("512-1k", 400, 98), ("1k-2k", 900, 90), ("4k-8k", 3800, 61)]
    async with AsyncSession(engine) as session:
        for series_id, (label, _, _) in enumerate(buckets, 1):
            session.add(
                SeriesRow(id=series_id, model=MODEL, engine_config_id=CONFIG.config_id, context_bucket=label)
            )
        await session.flush()
        last = int(NOW.timestamp()) // 60
        for minute in range(last - minutes + 1, last + 1):
            for series_id, (_, ttft_ms, rate) in enumerate(buckets, 1):
                _add_minute(session, minute, series_id, rng, ttft_ms, rate)
        session.add_all(CacheRollupRow(minute=last, series_id=1, **entry) for entry in LEDGER)
        await session.commit()


def _add_minute(
    session: AsyncSession, minute: int, series_id: int, rng: random.Random, ttft_ms: float, rate: float
) -> None:
    requests = rng.randint(0, 6 // series_id)
    if not requests:
        return
    errors = int(rng.random() < 0.08)
    session.add(
        RollupRow(
            minute=minute,
            series_id=series_id,
            requests=requests,
            errors=errors,
            cancelled=0,
            prompt_tokens=requests * 812,
            cached_tokens=requests * 300,
            completion_tokens=requests * 64,
        )
    )
    session.add_all(_phase_rows(minute, series_id, requests, ttft_ms, rate))
    for measure, centre in (
        (Measure.TTFT, ttft_ms),
        (Measure.OUTPUT_RATE, rate),
        (Measure.PROMPT_RATE, 2000.0),
        (Measure.INTER_TOKEN, 1000 / rate),
        (Measure.QUEUE, 12.0),
    ):
        counted: dict[int, int] = {}
        for _ in range(requests):
            index = bucket_of(rng.lognormvariate(0, 0.25) * centre * 1000)
            counted[index] = counted.get(index, 0) + 1
        for index, count in counted.items():
            session.add(
                HistogramRow(
                    minute=minute, series_id=series_id, measure=measure.value, bucket=index, count=count
                )
            )


def _phase_rows(
    minute: int, series_id: int, requests: int, ttft_ms: float, rate: float
) -> list[PhaseRollupRow]:
    """Mean phases that belong to a time to first token and an output rate."""
    means = {
        "admit": 1.2,
        "render": 1.7,
        "tokenize": 1.4,
        "cache_lookup": 0.3,
        "queue": 12.0 * series_id,
        "cache_restore": 4.0,
        "prefill": ttft_ms * 0.9,
        "decode": 64_000 / rate,
        "stream": 6.0,
        "unaccounted": 0.4,
    }
    return [
        PhaseRollupRow(
            minute=minute,
            series_id=series_id,
            phase=phase,
            requests=requests,
            time_us=round(mean * 1e3 * requests),
        )
        for phase, mean in means.items()
    ]
