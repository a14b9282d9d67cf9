"""A tier as somebody would add one: this file, and its name where the cache is made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from gateway.engine.cache.entry import Entry, State
from gateway.engine.cache.tiers.tier import sample_of
from telemetry.events import CacheSource, TierSample


class ToyTier:
    """Copies, in a dictionary, of states that faster tiers evict. The source nearest to it is the disk."""

    name = "toy"
    source = CacheSource.DISK
    direct = False

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.size_bytes = 0
        self._copies: dict[Entry, State] = {}

    def holds(self, entry: Entry) -> bool:
        return entry in self._copies

    def size(self, entry: Entry) -> int:
        return self._copies[entry].nbytes

    def state(self, _entry: Entry) -> State | None:
        return None

    def hold(self, entry: Entry, state: State) -> bool:
        if state.nbytes > self.budget_bytes:
            return False
        self.drop(entry)
        self._copies[entry] = state.copy()
        self.size_bytes += state.nbytes
        return True

    def read(self, entry: Entry, then: Callable[[State | None], None]) -> None:
        then(self._copies.get(entry))

    def hand_over(self, entry: Entry, successor: Entry) -> None:
        self.hold(successor, self._copies[entry])
        self.drop(entry)

    def drop(self, entry: Entry) -> None:
        if entry in self._copies:
            self.size_bytes -= self._copies.pop(entry).nbytes

    def evict(self, entry: Entry) -> None:
        self.drop(entry)

    def sample(self, _entries: Iterable[Entry]) -> TierSample:
        return sample_of(self, self._copies)

    def check_integrity(self, entries: Collection[Entry]) -> None:
        assert self.size_bytes == sum(state.nbytes for state in self._copies.values())
        assert self._copies.keys() <= set(entries)
