"""The RAM tier: serialised states, to be copied into a slot as they are. What other tiers hold is read into
it first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from gateway.engine.cache.entry import Entry, State
from gateway.engine.cache.tiers.tier import sample_of
from telemetry.events import CacheSource, TierSample


class RamTier:
    """States by entry; `budget_bytes` 0 turns the tier off, and with it the cache but for the KV."""

    name = "ram"
    source = CacheSource.RAM
    direct = True

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.size_bytes = 0
        self._states: dict[Entry, State] = {}

    def holds(self, entry: Entry) -> bool:
        """Whether there is a copy of an entry's state."""
        return entry in self._states

    def size(self, entry: Entry) -> int:
        """Bytes of an entry's state."""
        return self._states[entry].nbytes

    def state(self, entry: Entry) -> State | None:
        """The state itself, which nobody changes."""
        return self._states.get(entry)

    def hold(self, entry: Entry, state: State) -> bool:
        """Take a state, in place of the one that is held of the entry."""
        self.drop(entry)
        self._states[entry] = state
        self.size_bytes += state.nbytes
        return True

    def read(self, entry: Entry, then: Callable[[State | None], None]) -> None:
        """Call back with a state at once."""
        then(self.state(entry))

    def hand_over(self, entry: Entry, successor: Entry) -> None:
        """A state is another entry's."""
        self.hold(successor, self._states[entry])
        self.drop(entry)

    def drop(self, entry: Entry) -> None:
        """Forget a state, if there is one."""
        state = self._states.pop(entry, None)
        self.size_bytes -= 0 if state is None else state.nbytes

    def evict(self, entry: Entry) -> None:
        """The same."""
        self.drop(entry)

    def sample(self, _entries: Iterable[Entry]) -> TierSample:
        """Entries, bytes and tokens in RAM."""
        return sample_of(self, self._states)

    def check_integrity(self, entries: Collection[Entry]) -> None:
        """Raise AssertionError unless bytes are counted right, and every state is a known entry's."""
        held = sum(state.nbytes for state in self._states.values())
        assert held == self.size_bytes, f"{self.size_bytes} bytes are counted in RAM and {held} held"
        assert self._states.keys() <= set(entries), "RAM holds a state of an entry that is not known"
