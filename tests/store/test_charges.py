"""Energy and cost in both databases: rows, sums that say of how many requests they are, and the step up
from before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest
from alembic import command
from sqlalchemy import Connection

from telemetry.events import Status
from telemetry.record import RequestRecord
from telemetry.recorder import Ended
from telemetry.store import migrate
from telemetry.store.engine import create_migrator, create_reader
from telemetry.store.queries.report import ReportRow, report
from telemetry.store.queries.windows import By, window_of
from telemetry.store.writer import Finalize, StoreSink
from tests.store.test_retention import query
from tests.telemetry.records import CONFIG, ManualClock, answer, open_record, recorder


def serve(url: str, finalize: Finalize, requests: int = 3) -> None:
    """Answers of four tokens, written by the real writer."""
    clock = ManualClock()
    sink = StoreSink(url, 1000, batch_s=0.01, finalize=finalize)
    sink.start()
    sink.engine_config(CONFIG)
    rec = recorder(clock, sink, wall_ns=time.time_ns())
    for number in range(requests):
        record = open_record(rec, clock, f"r{number}")
        record.engine_config_id = CONFIG.config_id
        answer(rec, clock, record)
        rec.close(record, Ended(Status.OK, 200))
    assert sink.stop(30)
    assert sink.health().dropped == 0


def charge(records: Sequence[RequestRecord]) -> None:
    """All but the first are measured; the last has no cost."""
    for record in records:
        if record.request_id != "r0":
            record.energy_j = 10.5
        if record.request_id != "r2":
            record.cost = 0.25


def reported(url: str) -> ReportRow:
    """The only row of the statistics."""

    async def work() -> list[ReportRow]:
        reader = create_reader(url)
        try:
            return await report(reader, window_of("all"), By.CONTEXT, time.time())
        finally:
            await reader.dispose()

    (row,) = asyncio.run(work())
    return row


def test_rows_and_sums(url: str) -> None:
    """NULL is "not measured"; sums are over what was, and per token over those requests' tokens."""
    serve(url, charge)
    assert query(url, "SELECT id, energy_j, cost FROM requests ORDER BY id") == [
        ("r0", None, 0.25),
        ("r1", 10.5, 0.25),
        ("r2", 10.5, None),
    ]
    sums = (
        "SELECT sum(energy_requests), sum(energy_j), sum(energy_tokens), sum(cost_requests), sum(cost) FROM"
        " rollups"
    )
    assert query(url, sums) == [(2, 21.0, 8, 2, 0.5)]
    row = reported(url)
    assert (row.energy_j, row.joules_per_output_token, row.cost, row.requests) == (21.0, 21.0 / 8, 0.5, 3)


def test_nothing_measured_is_no_zero(url: str) -> None:
    """Without a source and without prices there is no figure anywhere."""
    serve(url, lambda _records: None)
    assert query(url, "SELECT count(*), count(energy_j), count(cost) FROM requests") == [(3, 0, 0)]
    row = reported(url)
    assert (row.energy_j, row.joules_per_output_token, row.cost) == (None, None, None)


def test_accounts_that_fail_cost_no_row(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Rows are written all the same, and it is told."""

    def fail(records: Sequence[RequestRecord]) -> None:
        raise ArithmeticError("no figure")

    serve(url, fail)
    assert query(url, "SELECT count(*), count(energy_j) FROM requests") == [(3, 0)]
    assert "not known" in caplog.text


def test_a_database_from_before(url: str) -> None:
    """What was written before has no energy, and roll-ups go on adding to it; the way back keeps the rest."""
    serve(url, charge)
    take_schema_back(url, "0004")
    assert query(url, "SELECT count(*) FROM requests") == [(3,)]
    migrate.upgrade(url)
    assert query(url, "SELECT count(*), count(energy_j), count(cost) FROM requests") == [(3, 0, 0)]
    assert query(url, "SELECT sum(requests), sum(energy_requests), sum(cost) FROM rollups") == [(3, 0, 0.0)]
    assert reported(url).energy_j is None


def take_schema_back(url: str, revision: str) -> None:
    """Take the schema back."""

    def work(connection: Connection) -> None:
        config = migrate._config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)

    async def run() -> None:
        engine = create_migrator(url)
        async with engine.begin() as connection:
            await connection.run_sync(work)
        await engine.dispose()

    asyncio.run(run())
