"""The store sink: a bounded queue, and one thread that opens the database and writes the queue to it in batches.

The event loop pays for a row and an append. Whatever the database does (locked, full, hung, gone, of another version) makes
the queue longer, costs counted drops where it is full, and a `state` that says why; never an exception and never a wait.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from telemetry.clock import WallClock
from telemetry.content import Content
from telemetry.events import EngineConfig
from telemetry.logs.events import event
from telemetry.record import RequestRecord
from telemetry.recorder import NullSink
from telemetry.speed_change import SpeedChange
from telemetry.store.batch import Batch
from telemetry.store.contents import Capture
from telemetry.store.delivery import Delivery
from telemetry.store.engine import create_writer, file_size_bytes
from telemetry.store.failures import is_of_a_value
from telemetry.store.instances import Lease
from telemetry.store.retention import Keeper, Retention
from telemetry.store.rollups.compaction import Compactor
from telemetry.store.rows import Row, request_row
from telemetry.store.write_state import OK, Losses, WriteState
from telemetry.trace_ids import TraceIds

__all__ = ["OK", "StoreSink"]

log = logging.getLogger(__name__)

BATCH_S = 0.08
"""How long events gather before they are written: one transaction instead of many."""

MAX_BATCH = 1000
"""Events per transaction."""

MAX_BATCH_CONTENTS = 100
"""Contents per transaction: each is redacted and compressed first, and other events wait for it."""

BACK_OFF_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Between attempts while the database cannot be written, the last one for as long as it takes."""

ADMISSION_SHARE = 0.9
"""Of the queue; the rest is for completions, which carry the figures (and insert the row themselves when it is missing)."""

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
        wall: WallClock | None = None,
    ) -> None:
        self.losses = Losses()
        self._url = url
        self._queue_size = queue_size
        self._batch_s = batch_s
        self._settle = settle
        self._keeper = Keeper(retention, wall=wall or WallClock()) if retention else None
        self._capture = capture
        self._state = WriteState(log)
        self._engine = create_writer(url)
        self._delivery = Delivery(url, self._engine, self._refused, self._state.opening)
        self._chores: list[Compactor | Keeper | Lease] = [
            Lease(self._delivery.instance),
            Compactor(),
            *([self._keeper] if self._keeper else []),
        ]
        self._queue: deque[Row | RequestRecord | SpeedChange] = deque()
        self._configs: dict[str, EngineConfig] = {}
        self._contents: dict[int, Content] = {}
        self._stopping = threading.Event()
        self._abandoned = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    # On the gateway's event loop ------------------------------------------------------------------------------------
    def admitted(self, record: RequestRecord) -> None:
        if self.queue_size >= self._queue_size * ADMISSION_SHARE:
            self.losses.queue_was_full()
            return
        self._queue.append(request_row(record))
        self._wake.set()

    def completed(self, record: RequestRecord) -> None:
        if self.queue_size >= self._queue_size:
            self.losses.queue_was_full(record)
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
            self.losses.queue_was_full()

    def engine_config(self, config: EngineConfig) -> None:
        self._configs[config.config_id] = config
        self._wake.set()

    def speed_changed(self, change: SpeedChange) -> None:
        self._queue.append(change)  # rare, and never more than there are configurations
        self._wake.set()

    @property
    def state(self) -> str:
        """`ok` after a write, and until one fails or does not return; else why nothing is written."""
        return self._state.words()

    @property
    def dropped(self) -> int:
        """Events lost since the start."""
        return self.losses.count

    @property
    def failure(self) -> tuple[str, float] | None:
        """What kept it from writing last, and when (monotonic seconds), also when that is over; None: nothing yet."""
        state = self._state
        return None if state.failed_s is None else (state.failure, state.failed_s)

    @property
    def flushed_s(self) -> float | None:
        """Monotonic time of the last write."""
        return self._delivery.written_s

    @property
    def queue_size(self) -> int:
        """Events that wait to be written."""
        return len(self._queue) + self._delivery.waiting

    @property
    def pruned(self) -> int:
        """Requests forgotten since the start, by age or for size."""
        return 0 if self._keeper is None else self._keeper.pruned

    def take_flushes(self) -> list[tuple[float, TraceIds | None]]:
        """Seconds of each transaction since the last call, and the trace of a request that it completed."""
        done = self._delivery.transactions
        return [done.popleft() for _ in range(len(done))]

    def file_size_bytes(self) -> int | None:
        """Bytes of the SQLite file and its write-ahead log; None with another database or without a file."""
        return file_size_bytes(self._url)

    def start(self) -> None:
        """Open the database (its schema is brought up to date) and write to it, as soon as it lets us; returns at once."""
        self._thread.start()

    def stop(self, deadline_s: float) -> bool:
        """Write what waits and end; False where that took longer than `deadline_s` (the rest is dropped and counted)."""
        self._stopping.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(deadline_s)
        in_time = not self._thread.is_alive() and not self.queue_size
        self._abandoned.set()
        if not in_time:
            self.losses.abandoned(self.queue_size)
            self._queue.clear()
        return in_time

    # On the writer's thread -----------------------------------------------------------------------------------------
    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except Exception as error:
            self._state.failed(error)

    async def _main(self) -> None:
        failures = 0
        try:
            while not self._ended():
                try:
                    await self._turn()
                    failures = 0
                except Exception as error:  # whatever it is: the thread goes on, and nothing that waits is lost
                    self._state.failed(error)
                    self._delivery.reopen()
                    self._rest(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
                    failures += 1
        finally:
            await self._engine.dispose()

    def _ended(self) -> bool:
        return self._abandoned.is_set() or (self._stopping.is_set() and not self.queue_size)

    async def _turn(self) -> None:
        """One round: open the database if it is not open, write what waits, and do the chores."""
        with self._state.busy():
            await self._delivery.open()
        if not self._delivery.waiting:  # else a write has failed, and only a write says that it is over
            self._state.wrote()
        self._gather()
        with self._state.busy():
            await self._flush()
            await self._do_chores()
        self._state.wrote()

    async def _do_chores(self) -> None:
        """One that fails for itself costs nobody else anything; where the database is at fault, that is told."""
        for chore in () if self._stopping.is_set() else self._chores:
            try:
                await chore.turn(self._engine)
            except Exception as error:
                if not is_of_a_value(error):
                    raise
                log.exception("housekeeping of the store failed: %s", type(chore).__name__, extra=event("store.housekeeping_failed"))

    def _rest(self, seconds: float) -> None:
        """Wait before the next attempt; a stop makes it come at once, and the next ones soon."""
        if not self._stopping.wait(seconds):
            return
        self._abandoned.wait(BACK_OFF_S[0])

    def _gather(self) -> None:
        """Wait for something to write, and a little longer for more. The loop of this thread has nothing else to do."""
        if not self._delivery.waiting:
            self._wake.wait(min(chore.wait_s() for chore in self._chores))
        self._wake.clear()
        if not self._stopping.is_set() and not self._queue_is_long():
            self._stopping.wait(self._batch_s)

    def _queue_is_long(self) -> bool:
        return self.queue_size >= MAX_BATCH

    async def _flush(self) -> None:
        """Write everything that waits, a transaction per `MAX_BATCH` events; then what was lost, whose rows are there by now."""
        while not self._abandoned.is_set():
            if not self._delivery.waiting and (batch := self._take()):
                self._delivery.give(batch)
            if not self._delivery.waiting and not self._delivery.misses(self._configs):
                break
            await self._delivery.write(self._configs)
        while self.losses.untold and not self._abandoned.is_set():
            self.losses.told(await self._delivery.mark(self.losses.untold.copy()))

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
                self.losses.refused(1, event if isinstance(event, RequestRecord) else None)
                self._state.refused(error)
            if len(batch.contents) >= MAX_BATCH_CONTENTS:
                break
        self._settle_accounts(batch)
        return batch

    def _settle_accounts(self, batch: Batch) -> None:
        """What is known only after a request's end; its row is worth more than that."""
        try:
            self._settle(list(batch.completed.values()))
        except Exception:
            log.exception("the energy and the cost of %d requests are not known", len(batch.completed), extra=event("store.unsettled"))

    def _add_content(self, batch: Batch, event: Row | RequestRecord | SpeedChange) -> None:
        """What was said in a completed request; where that fails, the request itself is in the batch already."""
        if self._capture is None or not isinstance(event, RequestRecord):
            return
        if (content := self._contents.pop(event.seq, None)) is not None:
            batch.contents[event.seq] = self._capture.encode(content)

    def _refused(self, batch: Batch, error: Exception) -> None:
        """The database will never take this."""
        self.losses.refused(len(batch), *batch.completed.values())
        self._state.refused(error)
