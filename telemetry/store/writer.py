"""The store sink: a bounded queue, and one thread that writes it to the database in batches.

The event loop pays for a row and an append. Whatever the database does (locked, full, gone) costs counted drops and a
`state` that says why, never an exception and never a wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.content import Content
from telemetry.events import EngineConfig
from telemetry.record import RequestRecord, TraceIds
from telemetry.recorder import NullSink
from telemetry.speed_change import SpeedChange
from telemetry.store.batch import Batch, Known, interrupt, write
from telemetry.store.compaction import Compactor
from telemetry.store.contents import Capture
from telemetry.store.engine import create_writer
from telemetry.store.failures import first_line, is_of_a_value, locked
from telemetry.store.retention import Keeper, Retention
from telemetry.store.rows import Row, request_row

log = logging.getLogger(__name__)

BATCH_S = 0.08
"""How long events gather before they are written: one transaction instead of many."""

MAX_BATCH = 1000
"""Events per transaction."""

MAX_BATCH_CONTENTS = 100
"""Contents per transaction: each is redacted and compressed first, and other events wait for it."""

ATTEMPTS = 3
"""Of a batch while the database is locked; each waits `BUSY_TIMEOUT_MS` itself."""

RETRY_S = 0.1
"""Between two attempts."""

ADMISSION_SHARE = 0.9
"""Of the queue; the rest is for completions, which carry the figures (and insert the row themselves when it is missing)."""

OK = "ok"

Settle = Callable[[Sequence[RequestRecord]], None]
"""Fills in what is known only after a request's end. Called on the writer's thread, and may wait a moment."""


class StoreSink(NullSink):
    """Writes requests, phases, contents (where there is a `capture`), engine configurations and roll-ups. `start` it once, `stop` it once."""

    def __init__(
        self,
        url: str,
        queue_size: int,
        batch_s: float = BATCH_S,
        retention: Retention | None = None,
        settle: Settle = lambda _records: None,
        capture: Capture | None = None,
    ) -> None:
        self.state = OK
        self.dropped = 0
        self.flushed_s: float | None = None
        self._url = url
        self._queue_size = queue_size
        self._batch_s = batch_s
        self._settle = settle
        self._keeper = Keeper(retention) if retention else None
        self._chores: list[Compactor | Keeper] = [Compactor(), *([self._keeper] if self._keeper else [])]
        self._capture = capture
        self._queue: deque[Row | RequestRecord | SpeedChange] = deque()
        self._configs: dict[str, EngineConfig] = {}
        self._contents: dict[int, Content] = {}
        self._flushes: deque[tuple[float, TraceIds | None]] = deque(maxlen=1000)
        self._stopping = threading.Event()
        self._abandoned = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    # On the gateway's event loop ------------------------------------------------------------------------------------
    def admitted(self, record: RequestRecord) -> None:
        if len(self._queue) >= self._queue_size * ADMISSION_SHARE:
            self.dropped += 1
            return
        self._queue.append(request_row(record))
        self._wake.set()

    def completed(self, record: RequestRecord) -> None:
        if len(self._queue) >= self._queue_size:
            self.dropped += 1
            return
        self._take_content(record)
        self._queue.append(record)
        self._wake.set()

    def _take_content(self, record: RequestRecord) -> None:
        """What was said waits beside the queue: the record is without it afterwards."""
        if self._capture is None or record.content is None:
            return
        if self._capture.admit(record.content):
            self._contents[record.seq] = record.content
        else:
            self.dropped += 1

    def engine_config(self, config: EngineConfig) -> None:
        self._configs[config.config_id] = config
        self._wake.set()

    def speed_changed(self, change: SpeedChange) -> None:
        self._queue.append(change)  # rare, and never more than there are configurations
        self._wake.set()

    @property
    def queue_size(self) -> int:
        """Events that wait to be written."""
        return len(self._queue)

    @property
    def pruned(self) -> int:
        """Requests forgotten since the start, by age or for size."""
        return 0 if self._keeper is None else self._keeper.pruned

    def take_flushes(self) -> list[tuple[float, TraceIds | None]]:
        """Seconds of each transaction since the last call, and the trace of a request that it completed."""
        return [self._flushes.popleft() for _ in range(len(self._flushes))]

    def file_size_bytes(self) -> int | None:
        """Bytes of the SQLite file and its write-ahead log; None with another database or without a file."""
        url = make_url(self._url)
        if url.get_backend_name() != "sqlite" or not url.database:
            return None
        sizes = []
        for path in (url.database, f"{url.database}-wal"):
            with contextlib.suppress(OSError):
                sizes.append(os.stat(path).st_size)  # noqa: PTH116 - a scrape's hot path, no Path object needed
        return sum(sizes) if sizes else None

    def start(self) -> None:
        """Begin to write; the schema must be up to date (`migrate.upgrade`)."""
        self._thread.start()

    def stop(self, deadline_s: float) -> bool:
        """Write what waits and end; False where that took longer than `deadline_s` (the rest is dropped and counted)."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(deadline_s)
        in_time = not self._thread.is_alive() and not self._queue
        self._abandoned.set()
        if not in_time:
            self.dropped += len(self._queue)
            self._queue.clear()
        return in_time

    # On the writer's thread -----------------------------------------------------------------------------------------
    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as error:
            self._failed(error)

    async def _main(self) -> None:
        engine = create_writer(self._url)
        known = Known()
        try:
            while not self._abandoned.is_set():
                try:
                    self._gather()
                    await self._flush(engine, known)
                    for chore in () if self._stopping.is_set() else self._chores:
                        await chore.turn(engine)
                except Exception as error:  # whatever it is: the thread goes on with the next events
                    self._failed(error)
                if self._stopping.is_set() and not self._queue:
                    return
        finally:
            await engine.dispose()

    def _gather(self) -> None:
        """Wait for something to write, and a little longer for more. The loop of this thread has nothing else to do."""
        self._wake.wait(min(chore.wait_s() for chore in self._chores))
        self._wake.clear()
        if not self._stopping.is_set() and not self._queue_is_long():
            self._stopping.wait(self._batch_s)

    def _queue_is_long(self) -> bool:
        return len(self._queue) >= MAX_BATCH

    async def _flush(self, engine: AsyncEngine, known: Known) -> None:
        """Write everything that waits, a transaction per `MAX_BATCH` events."""
        first = True
        while (self._queue or first) and not self._abandoned.is_set():
            first = False
            batch = self._take()
            if batch or self._configs.keys() - known.configs.keys():
                await self._write(engine, batch, known)

    def _take(self) -> Batch:
        batch = Batch()
        for _ in range(min(MAX_BATCH, len(self._queue))):
            try:
                event = self._queue.popleft()
            except IndexError:  # `stop` cleared the queue meanwhile
                break
            try:
                batch.add(event)
                self._add_content(batch, event)
            except Exception as error:
                self.dropped += 1
                self._failed(error)
            if len(batch.contents) >= MAX_BATCH_CONTENTS:
                break
        self._settle_accounts(batch)
        return batch

    def _settle_accounts(self, batch: Batch) -> None:
        """What is known only after a request's end; its row is worth more than that."""
        try:
            self._settle(list(batch.completed.values()))
        except Exception:
            log.exception("the energy and the cost of %d requests are not known", len(batch.completed))

    def _add_content(self, batch: Batch, event: Row | RequestRecord | SpeedChange) -> None:
        """What was said in a completed request; where that fails, the request itself is in the batch already."""
        if self._capture is None or not isinstance(event, RequestRecord):
            return
        if (content := self._contents.pop(event.seq, None)) is not None:
            batch.contents[event.seq] = self._capture.encode(content)

    async def _write(self, engine: AsyncEngine, batch: Batch, known: Known) -> None:
        """Write a batch. Where a value in it is at fault, write its halves, and so on: only the bad events are lost."""
        error = await self._attempt(engine, batch, known)
        if error is None:
            self.state = OK
        elif len(batch) > 1 and is_of_a_value(error) and not self._abandoned.is_set():
            for half in batch.halves():
                await self._write(engine, half, known)
        else:
            self.dropped += len(batch)
            self._failed(error)

    async def _attempt(self, engine: AsyncEngine, batch: Batch, known: Known) -> Exception | None:
        """Try to write, again while the database is locked; returns the last failure."""
        error: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                await self._transaction(engine, batch, known)
                return None
            except Exception as raised:
                error = raised
                known.configs.clear()
            if self._abandoned.is_set() or not locked(error):
                break
            await asyncio.sleep(RETRY_S)
        return error

    async def _transaction(self, engine: AsyncEngine, batch: Batch, known: Known) -> None:
        began = time.monotonic()
        async with engine.begin() as connection:
            if not known.configs:
                await known.load(connection)
            await write(connection, batch, dict(self._configs), known)
        self.flushed_s = time.monotonic()
        self._flushes.append((self.flushed_s - began, next((record.trace for record in batch.completed.values()), None)))

    def _failed(self, error: Exception) -> None:
        """Say it once per kind of failure, not once per batch."""
        told = first_line(error)
        if told != self.state:
            log.error("the store cannot be written, events are dropped and counted: %s", told)
        self.state = told


async def interrupt_stale(url: str) -> int:
    """Mark requests that an earlier process left running as `interrupted`; call before the writer starts.

    Raises:
        SQLAlchemyError: the database cannot be written.

    """
    engine = create_writer(url)
    try:
        async with engine.begin() as connection:
            return await interrupt(connection)
    finally:
        await engine.dispose()
