"""Who held up whom, in a real database: both ways, also where the other request is not kept any more."""

from __future__ import annotations

import asyncio

from sqlalchemy import delete

from telemetry.events import DelayCause, RequestDelay, Status
from telemetry.recorder import Ended
from telemetry.store.batch import REQUESTS
from telemetry.store.engine import create_reader, create_writer
from telemetry.store.queries import requests as queries
from telemetry.store.queries.requests import RequestDetail
from telemetry.store.writer import StoreSink
from tests.store.test_retention import query
from tests.telemetry.records import ManualClock, answer, open_record, recorder


def detail(url: str, request_id: str) -> RequestDetail:
    async def read() -> RequestDetail | None:
        engine = create_reader(url)
        try:
            return await queries.one(engine, request_id)
        finally:
            await engine.dispose()

    found = asyncio.run(read())
    assert found is not None
    return found


def forget(url: str, request_id: str) -> None:
    async def work() -> None:
        engine = create_writer(url)
        async with engine.begin() as connection:
            await connection.execute(delete(REQUESTS).where(REQUESTS.c.id == request_id))
        await engine.dispose()

    asyncio.run(work())


def write(url: str) -> None:
    """A request `waiting` that `long`, one that is not kept, and the load of a model held up."""
    clock = ManualClock()
    sink = StoreSink(url, 100, batch_s=0.01)
    sink.start()
    rec = recorder(clock, sink)
    first, second = open_record(rec, clock, "long"), open_record(rec, clock, "waiting")
    for record in (first, second):
        rec.admit(record)
        answer(rec, clock, record)
    at_ns = second.started_ns + 40_000_000
    second.delayed_by = [
        RequestDelay(DelayCause.PREFILL, first.seq, 30_000_000, 3, 20_000_000, at_ns),
        RequestDelay(DelayCause.SLOTS, 7, 5_000_000, 1, 5_000_000, second.started_ns),
        RequestDelay(DelayCause.MODEL_LOAD, None, 2_000_000, 1, 2_000_000, at_ns, "other-model"),
    ]
    for record in (first, second):
        rec.close(record, Ended(Status.OK, 200))
    assert sink.stop(60)


def test_both_ways(url: str) -> None:
    """From the one that waited to what it waited for, and back."""
    write(url)
    waiting = detail(url, "waiting")
    assert [
        (one.row.cause, one.request_id, one.row.model, one.row.total_us, one.row.times)
        for one in waiting.delayed_by
    ] == [
        ("prefill", "long", None, 30_000, 3),
        ("slots", None, None, 5_000, 1),
        ("model_load", None, "other-model", 2_000, 1),
    ]
    assert (waiting.delayed_by[0].row.longest_us, waiting.delayed_by[0].row.longest_at_us) == (20_000, 40_000)
    assert not waiting.delayed
    long = detail(url, "long")
    assert not long.delayed_by
    assert [(one.row.cause, one.request_id, one.row.total_us) for one in long.delayed] == [
        ("prefill", "waiting", 30_000)
    ]


def test_delays_go_with_the_request_that_waited(url: str) -> None:
    """A request that is forgotten takes its delays with it; those of others to it stay."""
    write(url)
    forget(url, "long")
    assert [one.request_id for one in detail(url, "waiting").delayed_by] == [None, None, None]
    forget(url, "waiting")
    assert query(url, "SELECT count(*) FROM request_delays") == [(0,)]
