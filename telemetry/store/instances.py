"""The gateways that write to one database: each has a row and a
lease, and each request that runs has an owner.

A gateway renews its lease with every transaction, and every `BEAT_S` without one. The rows that an owner left
running are `interrupted` as soon as its lease has run out, or its process is known to be over. Times are the
database's own, so that clocks of several machines need not agree.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Select, delete, literal_column, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from telemetry.events import Status
from telemetry.process_life import ProcessLife
from telemetry.store.maintenance import Timer
from telemetry.store.migrate import StoreVersionError, head, revision_of
from telemetry.store.models import Base, InstanceRow, RequestRow

REQUESTS, INSTANCES = (Base.metadata.tables[row.__tablename__] for row in (RequestRow, InstanceRow))

BEAT_S = 20.0
"""Between two renewals of a gateway that has nothing else to write."""

LEASE_S = 90
"""The time for which a gateway that was not heard of is taken for alive."""

KEPT_S = 7 * 24 * 3600
"""The time for which the row of a gateway that is gone stays, for whoever looks into what happened."""

RECORD_LOST = "record_lost"
"""`error_type` of a request whose end was known and could not be
kept; its status is `interrupted`, since its figures are not there.
"""

_NOW_S: Mapping[str, ColumnElement[int]] = {
    "sqlite": literal_column("CAST(strftime('%s', 'now') AS INTEGER)"),
    "postgresql": literal_column("CAST(extract(epoch FROM clock_timestamp()) AS BIGINT)"),
}


class LeaseLostError(RuntimeError):
    """The gateway's row is gone from the database: it must be made again."""


@dataclass(slots=True)
class Instance:
    """The gateway as the database knows it; `batches` are the transactions that are known to be there."""

    id: str = field(default_factory=lambda: secrets.token_hex(8))
    life: ProcessLife = field(default_factory=ProcessLife.own)
    batches: int = 0


async def register(connection: AsyncConnection, instance: Instance) -> int:
    """Make the gateway known, or find it; returns how many of its transactions the database has."""
    now, life = _NOW_S[connection.dialect.name], instance.life
    insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(INSTANCES)
    row = {
        "id": instance.id,
        "host": life.host,
        "pid": life.pid,
        "born": life.born,
        "batches": instance.batches,
    }
    renew = insert.values(**row, seen_s=now).on_conflict_do_update(
        index_elements=["id"], set_={"seen_s": now}
    )
    await connection.execute(renew)
    found = await connection.execute(select(INSTANCES.c.batches).where(INSTANCES.c.id == instance.id))
    return int(found.scalar_one())


async def renew(connection: AsyncConnection, instance: Instance, batches: int) -> None:
    """Renew the lease in a transaction that makes the gateway's `batches` so many.

    Raises:
        LeaseLostError: the gateway is not known, or has other transactions than it knows of.
    """
    known = (INSTANCES.c.id == instance.id, INSTANCES.c.batches == instance.batches)
    seen = {"seen_s": _NOW_S[connection.dialect.name], "batches": batches}
    done = await connection.execute(update(INSTANCES).where(*known).values(**seen))
    if done.rowcount != 1:
        raise LeaseLostError(f"the row of gateway {instance.id} is gone, or of another transaction")


async def interrupt(connection: AsyncConnection, instance: Instance) -> int:
    """Mark the requests of gateways that are gone; returns how
    many. What others run is theirs, and so is what this one does.
    """
    alive = await _alive(connection, instance)
    ownerless = or_(REQUESTS.c.instance_id.is_(None), REQUESTS.c.instance_id.not_in(alive))
    running = REQUESTS.c.status == Status.RUNNING.value
    statement = update(REQUESTS).where(running, ownerless).values(status=Status.INTERRUPTED.value)
    return (await connection.execute(statement)).rowcount


async def _alive(connection: AsyncConnection, instance: Instance) -> list[str]:
    """Ids of this gateway and of those with a lease whose process is not known to be over."""
    now = _NOW_S[connection.dialect.name]
    leased: Select[tuple[str, str, int, int]] = select(
        INSTANCES.c.id, INSTANCES.c.host, INSTANCES.c.pid, INSTANCES.c.born
    )
    found = await connection.execute(leased.where(INSTANCES.c.seen_s >= now - LEASE_S))
    return [instance.id, *(row.id for row in found if not ProcessLife(row.host, row.pid, row.born).is_over())]


async def mark_lost(connection: AsyncConnection, lost: Mapping[int, str]) -> None:
    """Say of requests (by `seq`) that their end was not kept, and how they ended."""
    running = REQUESTS.c.status == Status.RUNNING.value
    for seq, words in lost.items():
        truth = {"status": Status.INTERRUPTED.value, "error_type": RECORD_LOST, "error_message": words}
        await connection.execute(update(REQUESTS).where(REQUESTS.c.seq == seq, running).values(**truth))


@dataclass(slots=True)
class Lease:
    """Keeps the gateway's lease, and looks after what gateways that are gone left behind; maintenance of the
    writer (`telemetry.store.maintenance.Maintenance`).
    """

    instance: Instance
    timer: Timer = field(default_factory=lambda: Timer(BEAT_S, due_s=time.monotonic() + BEAT_S))

    def wait_s(self) -> float:
        """Seconds until there is something to do."""
        return self.timer.wait_s()

    async def run_once(self, engine: AsyncEngine) -> None:
        """Renew the lease, if it is due.

        Raises:
            SQLAlchemyError: the database cannot be written.
            LeaseLostError: the gateway's row is gone.
            StoreVersionError: another version has brought the database up to date.
        """
        if not self.timer.is_due():
            return
        async with engine.begin() as connection:
            if (found := await revision_of(connection)) != head():
                raise StoreVersionError(
                    f"the database was brought to revision {found} by another version of firsttoken"
                )
            await renew(connection, self.instance, self.instance.batches)
            await interrupt(connection, self.instance)
            await connection.execute(
                delete(INSTANCES).where(INSTANCES.c.seen_s < _NOW_S[connection.dialect.name] - KEPT_S)
            )
        self.timer.restart()
