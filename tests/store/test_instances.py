"""Gateways that share a database: each marks what nobody runs any more, and nothing that somebody does."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from telemetry.events import Status
from telemetry.process_life import ProcessLife
from telemetry.recorder import Ended
from telemetry.store.engine import create_writer
from telemetry.store.instances import (
    BEAT_S,
    LEASE_S,
    Instance,
    Lease,
    LeaseLostError,
    interrupt,
    register,
    renew,
)
from telemetry.store.maintenance import Timer
from telemetry.store.migrate import StoreVersionError
from telemetry.store.writer import StoreSink
from tests.e2e.serving import until
from tests.telemetry.records import ManualClock, answer, open_record, recorder

ELSEWHERE = ProcessLife("another machine", 17, 4)


def transaction(url: str, work: Callable[[AsyncConnection], Coroutine[Any, Any, Any]]) -> Any:
    async def run() -> Any:
        engine = create_writer(url)
        try:
            async with engine.begin() as connection:
                return await work(connection)
        finally:
            await engine.dispose()

    return asyncio.run(run())


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    async def work(connection: AsyncConnection) -> list[tuple[Any, ...]]:
        found = await connection.execute(text(statement))
        return [tuple(row) for row in found] if found.returns_rows else []

    found: list[tuple[Any, ...]] = transaction(url, work)
    return found


@contextmanager
def writing(url: str, queue_size: int = 1000) -> Iterator[StoreSink]:
    sink = StoreSink(url, queue_size, batch_s=0.01)
    sink.start()
    yield sink
    assert sink.stop(20)


def life_of(url: str, sink: StoreSink, life: ProcessLife) -> None:
    """Make a gateway look as if it were that process."""
    own = sink._delivery.instance.id
    query(
        url,
        f"UPDATE instances SET host = '{life.host}', pid = {life.pid}, born = {life.born} WHERE id = '{own}'",
    )


def statuses(url: str) -> dict[str, str]:
    return dict(query(url, "SELECT id, status FROM requests"))


def run_and_leave(url: str, request_id: str, life: ProcessLife) -> None:
    """A request that a gateway of this process ran when it ended."""
    with writing(url) as sink:
        clock = ManualClock()
        rec = recorder(clock, sink)
        rec.admit(open_record(rec, clock, request_id))
        until(lambda: request_id in statuses(url), 10, "the row")
        life_of(url, sink, life)


def process_that_ended() -> ProcessLife:
    """One of this machine that is over."""
    program = (
        "from telemetry.process_life import ProcessLife; life = ProcessLife.own(); print(life.host, life.pid,"
        " life.born, sep='|')"
    )
    host, pid, born = (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        .stdout.strip()
        .split("|")
    )
    return ProcessLife(host, int(pid), int(born))


def test_a_process_knows_whether_another_is_over() -> None:
    """The one that asks is not; one that ended is, and so is one whose id somebody else has now; of
    another machine's nothing is sure.
    """
    own = ProcessLife.own()
    assert not own.is_over()
    assert process_that_ended().is_over()
    assert ProcessLife(own.host, own.pid, own.born - 1).is_over()
    assert not ELSEWHERE.is_over()


def test_a_former_life_is_over_at_once(url: str) -> None:
    """What ran when the gateway was killed says so after the next start, though its lease has not run out."""
    run_and_leave(url, "cut off", process_that_ended())
    assert statuses(url) == {"cut off": "running"}
    with writing(url):
        until(lambda: statuses(url) == {"cut off": "interrupted"}, 10, "the row to be marked")


def test_what_another_gateway_runs_is_its_own(url: str) -> None:
    """With a lease it stays running, whoever else starts; when the lease has run out it is interrupted."""
    run_and_leave(url, "elsewhere", ELSEWHERE)
    with writing(url) as sink:
        until(lambda: sink.health().summary == "ok", 10, "the database to be opened")
        assert statuses(url) == {"elsewhere": "running"}
        query(url, f"UPDATE instances SET seen_s = seen_s - {LEASE_S + 1} WHERE host = '{ELSEWHERE.host}'")
        lease = Lease(sink._delivery.instance, Timer(BEAT_S, 0))

        async def turn() -> None:
            engine = create_writer(url)
            await lease.run_once(engine)
            await engine.dispose()

        asyncio.run(turn())
        assert statuses(url) == {"elsewhere": "interrupted"}
        assert lease.wait_s() > 1


def test_what_this_gateway_runs_is_its_own(url: str) -> None:
    """Also when it looks for what others left behind; and a row from before there were owners has none."""
    with writing(url) as sink:
        clock = ManualClock()
        rec = recorder(clock, sink)
        mine = open_record(rec, clock, "mine")
        rec.admit(mine)
        rec.admit(open_record(rec, clock, "old"))
        until(lambda: len(statuses(url)) == 2, 10, "the rows")
        query(url, "UPDATE requests SET instance_id = NULL WHERE id = 'old'")
        assert transaction(url, lambda connection: interrupt(connection, sink._delivery.instance)) == 1
        assert statuses(url) == {"mine": "running", "old": "interrupted"}
        answer(rec, clock, mine)
        rec.close(mine, Ended(Status.OK, 200))
        until(lambda: statuses(url)["mine"] == "ok", 10, "the completion")
    assert query(url, "SELECT count(*) FROM requests WHERE instance_id IS NOT NULL") == [(1,)]


def test_a_transaction_counts_itself(url: str) -> None:
    """The number in the gateway's row says which of its transactions are there; one that another
    connection made is noticed.
    """
    instance = Instance()
    assert transaction(url, lambda connection: register(connection, instance)) == 0
    transaction(url, lambda connection: renew(connection, instance, 1))
    assert transaction(url, lambda connection: register(connection, instance)) == 1
    with pytest.raises(LeaseLostError):
        transaction(url, lambda connection: renew(connection, instance, 1))


def test_another_version_takes_over(url: str) -> None:
    """A database that was brought to another revision meanwhile is not written any more, and that is said; as
    soon as it is back it is written again, with all that waited.
    """
    with writing(url) as sink:
        until(lambda: sink.health().summary == "ok", 10, "the database to be opened")
        (own,) = query(url, "SELECT version_num FROM alembic_version")[0]
        query(url, "UPDATE alembic_version SET version_num = '9999'")
        next(kind for kind in sink._maintenance if isinstance(kind, Lease)).timer.due_s = 0
        sink._wake.set()
        until(lambda: "newer version (revision 9999" in sink.health().summary, 10, "the state to say so")
        clock = ManualClock()
        rec = recorder(clock, sink)
        rec.close(open_record(rec, clock, "waits"), Ended(Status.OK, 200))
        assert (statuses(url), sink.health().queued) == ({}, 1)
        query(url, f"UPDATE alembic_version SET version_num = '{own}'")
        until(lambda: statuses(url) == {"waits": "ok"}, 20, "the row")
    assert sink.health().dropped == 0
    assert StoreVersionError.__doc__
