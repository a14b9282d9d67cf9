"""The delivery of batches to the database, each exactly once; runs on the writer's thread.

While the database is at fault (locked, full, gone, of another version) a batch stays and is tried again.
Where a value in it is at fault, its halves are written, and so on: only the bad events are lost. A
transaction counts itself in the gateway's row, so that one whose end was not heard of (the connection broke
while it was committed) is known to be there, or not.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping

from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.events import EngineConfig
from telemetry.record import RequestRecord
from telemetry.store.batch import EventBatch, WriterCache, write
from telemetry.store.failures import is_value_error
from telemetry.store.instances import Instance, mark_lost, renew
from telemetry.store.opening import open_store
from telemetry.trace_ids import TraceIds

TRANSACTION_LIMIT_S = 60.0
"""Longest time of one transaction on a server; then the connection is given up."""

MAX_MARKED = 500
"""Requests whose loss is marked in one transaction."""

Refused = Callable[[EventBatch, Exception], None]
"""Called with what the database will never take, and why."""


class Delivery:
    """Opens the database, and writes to it what it is given. `waiting` counts the events that it was given
    and that are not there yet.
    """

    def __init__(
        self, url: str, engine: AsyncEngine, refused: Refused, opening: Callable[[str], None]
    ) -> None:
        self.instance = Instance()
        self.waiting = 0
        self.written_s: float | None = None
        """Monotonic time of the last transaction."""
        self.transactions: deque[tuple[float, TraceIds | None]] = deque(maxlen=1000)
        """Seconds of each, and the trace of a request that it completed."""
        self._url = url
        self._engine = engine
        self._refused = refused
        self._opening = opening
        self._cache = WriterCache(instance_id=self.instance.id)
        self._batches: list[EventBatch] = []
        self._open = False
        self._unheard = False

    def reopen(self) -> None:
        """Something failed: look at the database anew before anything else is written."""
        self._open = False

    def enqueue(self, batch: EventBatch) -> None:
        """Take a batch, which is written before any that comes later."""
        self._batches.insert(0, batch)
        self._count()

    def misses(self, configs: Mapping[str, EngineConfig]) -> bool:
        """True where a configuration is not in the database yet."""
        return bool(configs.keys() - self._cache.models.keys())

    async def open(self) -> None:
        """Open the database, unless it is open.

        Raises:
            Exception: it cannot be read or written now.
        """
        if self._open:
            return
        self._cache.forget()
        there = await open_store(self._url, self._engine, self.instance, self._opening)
        if self._unheard and there > self.instance.batches:
            self._done()
        self.instance.batches, self._unheard = there, False
        self._open = True
        self.written_s = time.monotonic()

    async def write(self, configs: Mapping[str, EngineConfig]) -> None:
        """Write everything that waits, or an empty batch for the sake of new configurations.

        Raises:
            Exception: the database is at fault; what is not written still waits.
        """
        if not self._batches:
            await self._transaction(EventBatch(), configs)
        while self._batches:
            await self._next(configs)

    async def mark(self, lost: Mapping[int, str]) -> list[int]:
        """Say of some requests that their records are lost; returns of which.

        Raises:
            Exception: the database is at fault.
        """
        some = dict(list(lost.items())[:MAX_MARKED])
        async with asyncio.timeout(TRANSACTION_LIMIT_S), self._engine.begin() as connection:
            await mark_lost(connection, some)
        return list(some)

    async def _next(self, configs: Mapping[str, EngineConfig]) -> None:
        batch = self._batches[-1]
        try:
            await self._transaction(batch, configs)
        except Exception as error:
            if not is_value_error(error):
                self._unheard = True
                raise
            self._cache.forget()
            self._done()
            self._divide(batch, error)
        else:
            self._done()

    def _divide(self, batch: EventBatch, error: Exception) -> None:
        if len(batch) > 1:
            self._batches.extend(reversed(batch.halves()))
        else:
            self._refused(batch, error)
        self._count()

    def _done(self) -> None:
        self._batches.pop()
        self._count()

    def _count(self) -> None:
        self.waiting = sum(len(batch) for batch in self._batches)

    async def _transaction(self, batch: EventBatch, configs: Mapping[str, EngineConfig]) -> None:
        began, number = time.monotonic(), self.instance.batches + 1
        async with asyncio.timeout(TRANSACTION_LIMIT_S), self._engine.begin() as connection:
            await renew(connection, self.instance, number)
            if not self._cache.models:
                await self._cache.load(connection)
            await write(connection, batch, dict(configs), self._cache)
        self.instance.batches = number
        self.written_s = time.monotonic()
        self.transactions.append((self.written_s - began, _example(batch)))


def _example(batch: EventBatch) -> TraceIds | None:
    records: dict[int, RequestRecord] = batch.completed
    return next((record.trace for record in records.values()), None)
