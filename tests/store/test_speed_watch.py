"""The regression watch on both databases: a slower configuration is told once, everywhere."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace
from typing import Any

from telemetry.events import Status
from telemetry.metrics.sink import MetricsSink
from telemetry.recorder import Ended
from telemetry.speed_change import SpeedChange
from telemetry.store.engine import create_reader
from telemetry.store.queries import speed
from telemetry.store.writer import StoreSink
from telemetry.watches.speed import SpeedWatch
from tests.store.test_retention import query
from tests.telemetry.records import CONFIG, MODEL, ManualClock, answer, open_record, recorder


def serve(
    url: str, config: str, gap_ms: float, *, hours_ago: float, requests: int = 40, apart_ms: float = 1000
) -> None:
    """Answers with this time per token, written by the real writer."""
    rng, clock = random.Random(gap_ms), ManualClock()
    sink = StoreSink(url, 1000, batch_s=0.01)
    sink.start()
    sink.engine_config(replace(CONFIG, config_id=config))
    rec = recorder(clock, sink, wall_ns=time.time_ns() - round(hours_ago * 3600e9))
    for _ in range(requests):
        record = open_record(rec, clock)
        rec.admit(record)
        record.engine_config_id = config
        answer(rec, clock, record, gaps_ms=tuple(gap_ms * rng.uniform(0.9, 1.1) for _ in range(8)))
        rec.close(record, Ended(Status.OK, 200))
        clock.advance(apart_ms)
    assert sink.stop(30)


def check(url: str, *sinks: Any) -> list[SpeedChange]:
    """One look of a watch that has just been started."""

    async def work() -> list[SpeedChange]:
        reader = create_reader(url)
        watch = SpeedWatch(reader, recorder(ManualClock(), *sinks).speed_changed)
        found = await watch.check()
        assert await watch.check() == [], "told twice"
        await reader.dispose()
        return found

    return asyncio.run(work())


def test_a_slower_configuration_is_told_once(url: str) -> None:
    """Output is slower, prompts are not: one change, on the store, in the metric, and not again after a
    restart.
    """
    serve(url, "fast", 10, hours_ago=3)
    assert check(url) == []
    serve(url, "slow", 14, hours_ago=1)
    store, metrics = StoreSink(url, 100, batch_s=0.01), MetricsSink(lambda: [MODEL])
    store.start()
    changes = check(url, store, metrics)
    assert store.stop(10)
    assert [(change.measure, change.context_bucket, change.direction) for change in changes] == [
        ("output_rate", "512-1k", "slower")
    ]
    assert (changes[0].before_config_id, changes[0].after_config_id) == ("fast", "slow")
    assert 95 < changes[0].before < 105
    assert 67 < changes[0].after < 76
    rows = query(
        url,
        "SELECT model, before_config_id, after_config_id, measure, before_count, after_count FROM"
        " speed_changes",
    )
    assert rows == [(MODEL, "fast", "slow", "output_rate", 40, 40)]
    body = metrics.render()[0].decode()
    assert f'firsttoken_speed_changes_total{{direction="slower",gen_ai_request_model="{MODEL}"}} 1.0' in body
    assert check(url) == []


def test_the_same_speed_is_no_event(url: str) -> None:
    """Another configuration that is as fast, and one with too few requests."""
    serve(url, "one", 10, hours_ago=5)
    serve(url, "two", 10.1, hours_ago=3)
    assert check(url) == []
    serve(url, "three", 20, hours_ago=1, requests=10)
    assert check(url) == []


def test_going_back_is_judged_by_what_came_after(url: str) -> None:
    """One, two, one again: what the first served before does not count as after; and in one minute the
    later one is after.
    """
    serve(url, "one", 10, hours_ago=5)
    serve(url, "two", 10, hours_ago=3)
    serve(url, "one", 14, hours_ago=1)
    assert [(change.before_config_id, change.after_config_id, change.direction) for change in check(url)] == [
        ("two", "one", "slower")
    ]
    minute_s = time.time() // 60 * 60 - 1800
    serve(url, "three", 14, hours_ago=(time.time() - minute_s - 5) / 3600, requests=25, apart_ms=10)
    serve(url, "four", 10, hours_ago=(time.time() - minute_s - 30) / 3600, requests=25, apart_ms=10)
    assert [(change.before_config_id, change.after_config_id, change.direction) for change in check(url)] == [
        ("three", "four", "faster")
    ]


def test_what_is_expected_of_a_request(url: str) -> None:
    """Percentiles of requests like it, and how many were slower; of too few nothing."""
    serve(url, "one", 10, hours_ago=1)

    async def ask(rate: float) -> speed.Expected | None:
        reader = create_reader(url)
        found = await speed.expected(reader, "one", "512-1k", rate, time.time())
        assert await speed.expected(reader, "one", "0-512", rate, time.time()) is None
        await reader.dispose()
        return found

    fast, slow = asyncio.run(ask(150)), asyncio.run(ask(50))
    assert fast is not None
    assert slow is not None
    assert (fast.requests, fast.slower, slow.slower) == (40, 1.0, 0.0)
    assert fast.p10 <= fast.p50 <= fast.p90
