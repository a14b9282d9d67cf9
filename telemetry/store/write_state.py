"""What the store's writer says of itself: whether it writes, and what was lost."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from telemetry.logs.events import event
from telemetry.record import RequestRecord
from telemetry.store.failures import first_line

OK = "ok"

OPENING = "the database is being opened"

HUNG_S = 10.0
"""A transaction that takes longer is told about."""

UNTOLD_KEPT = 100_000
"""Requests whose loss waits to be told in the database."""


class WriteState:
    """Why nothing is written, or `ok`; set on the writer's thread, read anywhere."""

    def __init__(self, log: logging.Logger) -> None:
        self.failure = ""
        """The last failure, also when it is over."""
        self.failed_s: float | None = None
        self._log = log
        self._words = OPENING
        self._logged = ""
        self._busy_since_s: float | None = None

    def words(self) -> str:
        """What is true now."""
        since_s = self._busy_since_s
        if self._words == OK and since_s is not None and (waited_s := time.monotonic() - since_s) > HUNG_S:
            return f"the database has not answered for {waited_s:.0f} s"
        return self._words

    @contextmanager
    def busy(self) -> Iterator[None]:
        """While the database is waited for."""
        self._busy_since_s = time.monotonic()
        try:
            yield
        finally:
            self._busy_since_s = None

    def opening(self, words: str) -> None:
        """It takes a while, and this is what happens."""
        self._log.info("%s", words)
        self._words = words

    def wrote(self) -> None:
        """A write was made."""
        if self._logged:
            self._log.warning("the store is written again", extra=event("store.written_again"))
            self._logged = ""
        self._words = OK

    def failed(self, error: Exception) -> None:
        """Nothing can be written now; said once per kind of failure, not once per attempt."""
        self._words = self._failure(error)
        if self._words != self._logged:
            self._log.error(
                "the store cannot be written; what happens waits in its queue: %s", self._words, extra=event("store.unwritable")
            )
            self._logged = self._words

    def refused(self, error: Exception) -> None:
        """Single events cannot be written, ever."""
        self._log.error(
            "an event was refused by the store, and is dropped and counted: %s", self._failure(error), extra=event("store.refused")
        )

    def _failure(self, error: Exception) -> str:
        self.failure, self.failed_s = first_line(error), time.monotonic()
        return self.failure


class Losses:
    """Counts what was lost, and keeps of which requests: their rows shall say so. Used on both threads."""

    def __init__(self) -> None:
        self.full = 0
        """Events that found the queue full, or were still in it at the end."""
        self.bad = 0
        """Events that the database will never take."""
        self.untold: dict[int, str] = {}
        """By `seq`: how a request ended whose record is lost, in words."""
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """Events lost since the start."""
        return self.full + self.bad

    def queue_was_full(self, *records: RequestRecord) -> None:
        """An event found no room; with the record of a request that has ended."""
        with self._lock:
            self.full += 1
            self._keep(records, "the store's queue was full")

    def refused(self, events: int, *records: RequestRecord | None) -> None:
        """The database did not take some events."""
        with self._lock:
            self.bad += events
            self._keep([record for record in records if record is not None], "the store did not take its record")

    def abandoned(self, events: int) -> None:
        """They still waited when the gateway ended."""
        with self._lock:
            self.full += events

    def told(self, seqs: Sequence[int]) -> None:
        """The rows of these requests say so now."""
        with self._lock:
            for seq in seqs:
                self.untold.pop(seq, None)

    def _keep(self, records: Sequence[RequestRecord], why: str) -> None:
        for record in records:
            if len(self.untold) < UNTOLD_KEPT:
                self.untold[record.seq] = f"It ended as {record.status.value} (HTTP {record.http_status}); {why}, and its figures are lost."
