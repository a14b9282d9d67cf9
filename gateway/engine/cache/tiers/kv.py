"""The KV tier: states of sequences that are decoding, or ended and still in their slot.

Which sequence is in which slot is `gateway.engine.schedule.placement`'s business, and so is how many there
are: the tier has no bytes of its own to count, and no budget to evict under.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from gateway.engine.cache.entry import Entry, State
from telemetry.events import CacheSource, TierSample


class KvTier:
    """Entries that have a slot."""

    name = "kv"
    source = CacheSource.KV
    direct = True
    budget_bytes = 0
    size_bytes = 0

    def holds(self, entry: Entry) -> bool:
        """Whether an entry is in a slot."""
        return entry.slot is not None

    def size(self, _entry: Entry) -> int:
        """0: slots are there whether they are used or not."""
        return 0

    def state(self, _entry: Entry) -> State | None:
        """None: a copy of what is in a slot is the backend's to make."""
        return None

    def hold(self, _entry: Entry, _state: State) -> bool:
        """False: what comes into a slot comes by way of a sequence."""
        return False

    def read(self, _entry: Entry, then: Callable[[State | None], None]) -> None:
        """Call back without a state: what is in a slot can be used as it is."""
        then(None)

    def hand_over(self, entry: Entry, successor: Entry) -> None:
        """The slot is another entry's."""
        successor.slot, entry.slot = entry.slot, None

    def drop(self, entry: Entry) -> None:
        """An entry has left its slot."""
        entry.slot, entry.running = None, False

    def evict(self, entry: Entry) -> None:
        """The same: somebody else needs the slot."""
        self.drop(entry)

    def sample(self, entries: Iterable[Entry]) -> TierSample:
        """Slots in use and computed tokens; bytes are the engine's to tell."""
        tokens = [entry.n_computed for entry in entries if self.holds(entry)]
        return TierSample(self.source, len(tokens), None, sum(tokens))

    def check_integrity(self, entries: Collection[Entry]) -> None:
        """Raise AssertionError unless each slot is one entry's, and only entries in a slot are running."""
        slots = [entry.slot for entry in entries if entry.slot is not None]
        assert len(slots) == len(set(slots)), "two entries are in one slot"
        homeless = [entry for entry in entries if entry.running and entry.slot is None]
        assert not homeless, "an entry runs without a slot"
