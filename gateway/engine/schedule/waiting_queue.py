"""The sequences that wait for a slot."""

from __future__ import annotations

from collections import deque

from gateway.engine.schedule.fairness import FairShare
from gateway.engine.sequence.sequence import Sequence

MAX_HOLDERS = 8
"""Requests named as holding the slots that a queued one waits for (SIGNALS: at most 8 links)."""


class WaitingQueue:
    """Owns the waiting sequences, in order of arrival; `shares` knows whose turn it is."""

    def __init__(self, shares: FairShare) -> None:
        self._sequences: deque[Sequence] = deque()
        self._shares = shares

    def __len__(self) -> int:
        return len(self._sequences)

    def snapshot(self) -> list[Sequence]:
        """Those that wait now. May be called from another thread."""
        return list(self._sequences)

    def add(self, sequence: Sequence, running: list[Sequence], free_slots: int) -> None:
        """Take in a sequence that is new; it learns whom it waits for."""
        waiting = sequence.waiting
        waiting.position = max(0, len(self) + 1 - free_slots)
        waiting.depth = len(self)
        waiting.holders = ",".join(held.id for held in running[:MAX_HOLDERS])
        self._shares.arrived(sequence.request, [other.request for other in (*running, *self._sequences)])
        self._sequences.append(sequence)

    def put_back(self, sequence: Sequence) -> None:
        """Take in a sequence that gave up its slot."""
        self._sequences.append(sequence)

    def remove(self, sequence: Sequence) -> None:
        """A sequence waits no longer."""
        self._sequences.remove(sequence)

    def in_turn(self, now_ns: int) -> list[Sequence]:
        """Those that wait, who is next first."""
        return self._shares.order(self._sequences, now_ns)

    def check_integrity(self) -> None:
        """Raise AssertionError where a sequence waits and holds what only running ones do."""
        for sequence in self._sequences:
            assert sequence.slot is None, f"{sequence.id} waits and holds slot {sequence.slot}"
            assert sequence.progress.n_computed == 0, f"{sequence.id} waits and holds state"
