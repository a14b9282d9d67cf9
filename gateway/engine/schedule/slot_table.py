"""The slots and who holds them: sequences come from the queue, and go back to it or end."""

from __future__ import annotations

from gateway.engine.protocol import Started
from gateway.engine.schedule import background, blame
from gateway.engine.schedule.placement import Placement, Wait
from gateway.engine.schedule.waiting_queue import WaitingQueue
from gateway.engine.sequence.sequence import Sequence

HELD_WEIGHT = 0.1
"""Of a new measurement in the moving average of how long a request holds its slot."""


class SlotTable:
    """Owns the slots: `mean_held_ns` is for how long a request holds one, on average."""

    def __init__(self, placement: Placement, queue: WaitingQueue) -> None:
        self.mean_held_ns = 0.0
        self._sequences: list[Sequence | None] = [None] * len(placement.states)
        self._placement = placement
        self._queue = queue

    def __len__(self) -> int:
        return len(self._sequences)

    def __getitem__(self, slot: int) -> Sequence:
        """The sequence that holds a slot, which must not be free."""
        sequence = self._sequences[slot]
        assert sequence is not None, f"slot {slot} is asked for and is empty"
        return sequence

    @property
    def running(self) -> list[Sequence]:
        """Sequences that hold a slot, in order of slots. May be read from another thread."""
        return [sequence for sequence in self._sequences if sequence is not None]

    @property
    def free(self) -> int:
        """The number of slots that nobody holds. May be read from another thread."""
        return self._sequences.count(None)

    def fill(self, now_ns: int) -> list[Started]:
        """Give free slots to those whose turn it is; returns what those say that start now."""
        started: list[Started] = []
        if not self._queue:
            return started
        for sequence in self._queue.in_turn(now_ns):
            free = [slot for slot, held in enumerate(self._sequences) if held is None]
            if not free:
                break
            placed = self._placement.place(sequence, free)
            if isinstance(placed, Wait):
                self._await_prefix(sequence, placed, now_ns)
            elif (message := self._take(sequence, placed, now_ns)) is not None:
                started.append(message)
        return started

    def suspend_background(self, now_ns: int) -> None:
        """A background sequence gives its slot to an interactive one that waits; it goes on later."""
        if self.free:
            return
        one = background.to_suspend(self.running, self._queue.snapshot(), self._placement, now_ns)
        if one is None or one.slot is None:
            return
        slot = one.slot
        blame.of_slot(self._queue.snapshot(), one, now_ns)
        self._placement.suspend(one)
        self._sequences[slot] = None
        self._queue.put_back(one)
        if one.drafter is not None:
            one.drafter.rest()

    def release(self, sequence: Sequence, reason: str, now_ns: int) -> None:
        """A sequence ended for this reason: its slot is free."""
        assert sequence.slot is not None
        self._sequences[sequence.slot] = None
        started_ns = sequence.stamps.started_ns
        if started_ns is not None and reason in ("stop", "length"):
            self.mean_held_ns += HELD_WEIGHT * (now_ns - started_ns - self.mean_held_ns)
        self._placement.release(sequence, usable=reason != "error")
        sequence.slot = None

    def check_integrity(self, n_ctx: int) -> None:
        """Raise AssertionError unless slots and sequences, of at most `n_ctx` tokens, agree."""
        running = self.running
        for sequence in running:
            slot, progress = sequence.slot, sequence.progress
            computed, tokens = progress.n_computed, len(progress.tokens)
            assert slot is not None, f"{sequence.id} holds a slot and does not know"
            assert self._sequences[slot] is sequence, f"{sequence.id} believes to be in slot {slot}"
            assert 0 <= computed <= tokens, f"{sequence.id}: {computed} of {tokens} held"
            assert tokens <= n_ctx, f"{sequence.id} outgrew its context"
        assert len({id(sequence) for sequence in running}) == len(running), "a sequence holds two slots"
        self._placement.check_integrity(running)

    def _take(self, sequence: Sequence, slot: int, now_ns: int) -> Started | None:
        """A sequence has a slot now: what it waited for, and who had to wait while its state was copied."""
        running = self.running
        if sequence.stamps.placed_ns is None:
            blame.of_wait(sequence, running, now_ns)
        blame.of_restore(sequence, running)
        sequence.stamps.placed_ns = now_ns
        self._queue.remove(sequence)
        self._sequences[slot] = sequence
        return sequence.start(now_ns)

    def _await_prefix(self, sequence: Sequence, wait: Wait, now_ns: int) -> None:
        waiting = sequence.waiting
        if waiting.prefix_of is None:
            waiting.prefix_since_ns = now_ns
            waiting.prefix_of = next((one for one in self.running if one.entry is wait.entry), None)
        waiting.reason = "kv"
