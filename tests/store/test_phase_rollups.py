"""Phase times in the roll-ups: each moment counts once, the stack is as high as the request was long, in
both databases.
"""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.events import Phase, PhaseTiming, Status
from telemetry.recorder import Ended
from telemetry.store.engine import create_reader
from telemetry.store.queries import phases
from telemetry.store.queries.phases import PhaseMeans
from telemetry.store.queries.windows import WINDOWS
from telemetry.store.rollups.rollup import UNACCOUNTED, phase_times_us
from telemetry.store.writer import StoreSink
from tests.telemetry.records import CONFIG, MS, ManualClock, answer, completed, open_record, recorder

BOUNDS = st.tuples(st.integers(0, 1000), st.integers(0, 1000)).map(sorted)


@given(st.dictionaries(st.sampled_from(list(Phase)), BOUNDS))
def test_phases_add_up_to_the_wall_time(bounds: dict[Phase, list[int]]) -> None:
    """Whatever overlaps or is missing: the parts and what none covers are the whole, and what is uncovered
    is the record's figure.
    """
    record = completed()
    began = record.started_ns
    record.ended_ns = began + 1000 * MS
    record.phases = [PhaseTiming(phase, began + a * MS, began + b * MS) for phase, (a, b) in bounds.items()]
    times = phase_times_us(record)
    assert sum(times.values()) == 1_000_000
    assert times[UNACCOUNTED] / 1e3 == pytest.approx(record.unaccounted_ms)


def test_streaming_beside_decoding_counts_once() -> None:
    """Of the stream only what comes after the last token is its own."""
    times = phase_times_us(completed())
    assert times["decode"] == 90_000
    assert times["stream"] == 1000


def read(url: str) -> tuple[dict[str, PhaseMeans], dict[int, PhaseMeans], dict[str, PhaseMeans]]:
    """By context, by hour, and of a model that is not there."""

    async def work() -> tuple[dict[str, PhaseMeans], dict[int, PhaseMeans], dict[str, PhaseMeans]]:
        reader = create_reader(url)
        try:
            now, window = time.time(), WINDOWS["1h"]
            absent = await phases.by_context(reader, window, now, "absent")
            return (
                await phases.by_context(reader, window, now),
                await phases.over_time(reader, int(now) // 60 - 59, 60),
                absent,
            )
        finally:
            await reader.dispose()

    return asyncio.run(work())


def test_means_are_over_all_requests(url: str) -> None:
    """Two answers and one that failed at the door: means are per request of its bucket, and merge over
    minutes.
    """
    clock = ManualClock()
    sink = StoreSink(url, 1000, batch_s=0.01)
    sink.start()
    sink.engine_config(CONFIG)
    rec = recorder(clock, sink, wall_ns=time.time_ns() - 90 * 10**9)
    for number in range(2):
        record = open_record(rec, clock, f"r{number}")
        answer(rec, clock, record, gaps_ms=(10,) if number else (10, 20, 60))
        rec.close(record, Ended(Status.OK, 200))
        clock.advance(60_000)
    record = open_record(rec, clock, "refused")
    rec.close(record, Ended(Status.ERROR, 400, "invalid_request"))
    assert sink.stop(30)
    by_context, by_hour, absent = read(url)
    assert absent == {}
    assert set(by_context) == {"512-1k", ""}
    assert by_context["512-1k"].requests == 2
    assert by_context["512-1k"].mean_ms["decode"] == pytest.approx((90 + 10) / 2)
    assert by_context["512-1k"].mean_ms["prefill"] == pytest.approx(100)
    assert by_context["512-1k"].wall_ms == pytest.approx((200.5 + 120.5) / 2, abs=0.1)
    assert by_context[""].mean_ms == pytest.approx({"admit": 1.0, "unaccounted": 0.0})
    assert sum(means.requests for means in by_hour.values()) == 3
