"""Events that the store lost: how many, and of which requests, whose rows shall say so."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from telemetry.record import RequestRecord

MAX_UNMARKED = 100_000
"""Requests whose loss waits to be marked in the database."""


class Losses:
    """Counts losses, and keeps of which requests they were until their rows say so. Used on both threads."""

    def __init__(self) -> None:
        self.full = 0
        """Events that found the queue full, or were still in it at the end."""
        self.refused_events = 0
        """Events that the database will never take."""
        self.unmarked: dict[int, str] = {}
        """By `seq`: how a request ended whose record is lost, in words."""
        self._lock = threading.Lock()

    @property
    def count(self) -> int:
        """Events lost since the start."""
        return self.full + self.refused_events

    def queue_was_full(self, *records: RequestRecord) -> None:
        """An event found no room; with the record of a request that has ended."""
        with self._lock:
            self.full += 1
            self._keep(records, "the store's queue was full")

    def refused(self, events: int, *records: RequestRecord | None) -> None:
        """The database did not take some events."""
        with self._lock:
            self.refused_events += events
            self._keep(
                [record for record in records if record is not None], "the store did not take its record"
            )

    def abandoned(self, events: int) -> None:
        """They still waited when the gateway ended."""
        with self._lock:
            self.full += events

    def marked(self, seqs: Sequence[int]) -> None:
        """The rows of these requests say so now."""
        with self._lock:
            for seq in seqs:
                self.unmarked.pop(seq, None)

    def _keep(self, records: Sequence[RequestRecord], why: str) -> None:
        for record in records:
            if len(self.unmarked) < MAX_UNMARKED:
                ended = f"It ended as {record.status.value} (HTTP {record.http_status})"
                self.unmarked[record.seq] = f"{ended}; {why}, and its figures are lost."
