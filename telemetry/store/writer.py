"""The store sink: a bounded queue, and one thread that opens
the database and writes the queue to it in batches.

The event loop pays for a row and an append. Whatever the database does (locked, full, hung, gone, of another
version) makes the queue longer, costs counted drops where it is full, and is in `health`; never an
exception and never a wait.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from telemetry.clock import WallClock
from telemetry.events import EngineConfig
from telemetry.health import StoreHealth
from telemetry.logs.events import event
from telemetry.polled import Polled
from telemetry.record import RequestRecord
from telemetry.recorder import NullSink
from telemetry.speed_change import SpeedChange
from telemetry.store.batch import EventBatch
from telemetry.store.contents import Capture
from telemetry.store.delivery import Delivery
from telemetry.store.engine import create_writer, file_size_bytes
from telemetry.store.event_queue import MAX_BATCH, EventQueue
from telemetry.store.failures import is_value_error
from telemetry.store.instances import Lease
from telemetry.store.losses import Losses
from telemetry.store.maintenance import Maintenance
from telemetry.store.retention import Pruner, Retention
from telemetry.store.rollups.compaction import Compactor
from telemetry.store.rows import request_row
from telemetry.store.write_attempts import WriteAttempts
from telemetry.trace_ids import TraceIds

log = logging.getLogger(__name__)

BATCH_S = 0.08
"""The time in which events gather before they are written: one transaction instead of many."""

BACK_OFF_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Between attempts while the database cannot be written, the last one for as long as it takes."""

ADMISSION_SHARE = 0.9
"""Share of the queue for admissions; the rest is for
completions, which carry the figures (and insert a missing row).
"""

Finalize = Callable[[Sequence[RequestRecord]], None]
"""Fills in what is known only after a request's end. Called on the writer's thread, and may wait a moment."""


class StoreSink(NullSink):
    """The sink that writes requests, phases, contents (where there is a `capture`), engine configurations and
    roll-ups. `start` it once, `stop` it once.
    """

    def __init__(
        self,
        url: str,
        queue_size: int,
        batch_s: float = BATCH_S,
        retention: Retention | None = None,
        finalize: Finalize = lambda _records: None,
        capture: Capture | None = None,
        wall: WallClock | None = None,
    ) -> None:
        self.losses = Losses()
        self.file_size = Polled(partial(file_size_bytes, url))
        """Bytes of the SQLite file and its write-ahead log; None with another database or without a file."""
        self._queue_size = queue_size
        self._batch_s = batch_s
        self._finalize = finalize
        self._pruner = Pruner(retention or Retention(), wall=wall or WallClock())
        self._attempts = WriteAttempts(log)
        self._engine = create_writer(url)
        self._delivery = Delivery(url, self._engine, self._refused, self._attempts.opening)
        self._maintenance: list[Maintenance] = [Lease(self._delivery.instance), Compactor()]
        if retention is not None:
            self._maintenance.append(self._pruner)
        self._queue = EventQueue(capture)
        self._configs: dict[str, EngineConfig] = {}
        self._stopping = threading.Event()
        self._abandoned = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    # On the gateway's event loop ----------------------------------------------------------------------------
    def admitted(self, record: RequestRecord) -> None:
        if self._waiting() >= self._queue_size * ADMISSION_SHARE:
            self.losses.queue_was_full()
            return
        self._queue.append(request_row(record))
        self._wake.set()

    def completed(self, record: RequestRecord) -> None:
        if self._waiting() >= self._queue_size:
            self.losses.queue_was_full(record)
            return
        if not self._queue.admits_content(record):
            self.losses.queue_was_full()
        self._queue.append(record)
        self._wake.set()

    def engine_config(self, config: EngineConfig) -> None:
        self._configs[config.config_id] = config
        self._wake.set()

    def speed_changed(self, change: SpeedChange) -> None:
        self._queue.append(change)  # rare, and never more than there are configurations
        self._wake.set()

    def health(self) -> StoreHealth:
        """The store's state now; waits for nothing."""
        flushed_s = self._delivery.written_s
        return replace(
            self._attempts.health(),
            queued=self._waiting(),
            queue_size=self._queue_size,
            dropped=self.losses.count,
            refused=self.losses.refused_events,
            pruned=self._pruner.pruned,
            file_bytes=self.file_size.newest_or_none(),
            max_bytes=self._pruner.retention.max_bytes,
            flush_age_s=None if flushed_s is None else time.monotonic() - flushed_s,
        )

    def take_flushes(self) -> list[tuple[float, TraceIds | None]]:
        """Seconds of each transaction since the last call, and the trace of a request that it completed."""
        done = self._delivery.transactions
        return [done.popleft() for _ in range(len(done))]

    def _waiting(self) -> int:
        """Events that wait to be written."""
        return len(self._queue) + self._delivery.waiting

    def start(self) -> None:
        """Open the database (its schema is brought up to date)
        and write to it, as soon as it lets us; returns at once.
        """
        self._thread.start()

    def stop(self, deadline_s: float) -> bool:
        """Write what waits and end; False where that took longer
        than `deadline_s` (the rest is dropped and counted).
        """
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(deadline_s)
        in_time = not self._thread.is_alive() and not self._waiting()
        self._abandoned.set()
        if not in_time:
            self.losses.abandoned(self._waiting())
            self._queue.clear()
        return in_time

    # On the writer's thread ---------------------------------------------------------------------------------
    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as error:
            self._attempts.failed(error)

    async def _main(self) -> None:
        failures = 0
        try:
            while not self._ended():
                try:
                    await self._run_once()
                    failures = 0
                except Exception as error:
                    # whatever it is: the thread goes on, and nothing that waits is lost
                    self._attempts.failed(error)
                    self._delivery.reopen()
                    self._rest(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
                    failures += 1
        finally:
            await self._engine.dispose()

    def _ended(self) -> bool:
        return self._abandoned.is_set() or (self._stopping.is_set() and not self._waiting())

    async def _run_once(self) -> None:
        """One round: open the database if it is not open, write
        what waits, and do the maintenance that is due.
        """
        with self._attempts.busy():
            await self._delivery.open()
        if not self._delivery.waiting:  # else a write has failed, and only a write says that it is over
            self._attempts.wrote()
        self._gather()
        with self._attempts.busy():
            await self._flush()
            if not self._stopping.is_set():
                await self._maintain()
        self._attempts.wrote()

    async def _maintain(self) -> None:
        """Whatever fails for itself costs nobody else anything;
        where the database is at fault, that is raised.
        """
        for kind in self._maintenance:
            try:
                await kind.run_once(self._engine)
            except Exception as error:
                if not is_value_error(error):
                    raise
                words = "housekeeping of the store failed: %s"
                log.exception(words, type(kind).__name__, extra=event("store.housekeeping_failed"))

    def _rest(self, seconds: float) -> None:
        """Wait before the next attempt; a stop makes it come at once, and the next ones soon."""
        if not self._stopping.wait(seconds):
            return
        self._abandoned.wait(BACK_OFF_S[0])

    def _gather(self) -> None:
        """Wait for something to write, and a little longer for
        more. The loop of this thread has nothing else to do.
        """
        if not self._delivery.waiting:
            self._wake.wait(min(kind.wait_s() for kind in self._maintenance))
        self._wake.clear()
        if not self._stopping.is_set() and not self._queue_is_long():
            self._stopping.wait(self._batch_s)

    def _queue_is_long(self) -> bool:
        return self._waiting() >= MAX_BATCH

    async def _flush(self) -> None:
        """Write everything that waits, a transaction per `MAX_BATCH`
        events; then what was lost, whose rows are there by now.
        """
        while not self._abandoned.is_set():
            if not self._delivery.waiting and (batch := self._take()):
                self._delivery.enqueue(batch)
            if not self._delivery.waiting and not self._delivery.misses(self._configs):
                break
            await self._delivery.write(self._configs)
        while self.losses.unmarked and not self._abandoned.is_set():
            self.losses.marked(await self._delivery.mark(self.losses.unmarked.copy()))

    def _take(self) -> EventBatch:
        batch = self._queue.take(self._unbatched)
        self._finish(batch)
        return batch

    def _unbatched(self, record: RequestRecord | None, error: Exception) -> None:
        """An event can be in no batch."""
        self.losses.refused(1, record)
        self._attempts.refused(error)

    def _finish(self, batch: EventBatch) -> None:
        """Finalize the records; their rows are worth more than what that adds."""
        try:
            self._finalize(list(batch.completed.values()))
        except Exception:
            words = "the energy and the cost of %d requests are not known"
            log.exception(words, len(batch.completed), extra=event("store.unsettled"))

    def _refused(self, batch: EventBatch, error: Exception) -> None:
        """The database will never take this."""
        self.losses.refused(len(batch), *batch.completed.values())
        self._attempts.refused(error)
