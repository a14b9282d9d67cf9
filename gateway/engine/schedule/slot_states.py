"""The states in the slots: the KV tier of the prefix cache.

Runs on the decode thread. Effects go through the `Backend`; what leaves the KV goes to the `PrefixCache`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.engine.backend import Backend
from gateway.engine.cache.entry import Entry, State
from gateway.engine.cache.prefix_cache import PrefixCache


class SlotStates:
    """Owns them: `entries[slot]` is the entry whose state is in a slot, running or idle; None where nothing
    is.

    `restore_failures` counts states that could not be used.
    """

    def __init__(self, slots: int, backend: Backend, cache: PrefixCache, clock_ns: Callable[[], int]) -> None:
        self.entries: list[Entry | None] = [None] * slots
        self.backend = backend
        self.restore_failures = 0
        self._cache = cache
        self._clock_ns = clock_ns

    def __len__(self) -> int:
        return len(self.entries)

    def save(self, slot: int) -> bool:
        """Copy an idle slot's state into RAM; returns whether it is there."""
        entry = self.entries[slot]
        assert entry is not None
        if not self._cache.keeps_copies:
            return False
        state = self.backend.save(slot)
        return state is not None and self._cache.keep(entry, state, self._clock_ns())

    def save_one_idle(self) -> bool:
        """Copy one ended sequence that only the KV has into RAM; returns whether there was one."""
        for slot, entry in enumerate(self.entries):
            if entry is not None and not entry.running and not is_saved(entry) and not entry.unsavable:
                entry.unsavable = not self.save(slot)
                return True
        return False

    def clear(self, slot: int) -> None:
        """Empty a slot, whatever is in it."""
        self._forget(slot)
        self.backend.trim(slot, 0)

    def vacate(self, free: Sequence[int]) -> int:
        """Empty one of these slots: an empty one if there is one, else one that is saved, else the longest
        unused.
        """
        slot = min(free, key=self._cost)
        entry = self.entries[slot]
        if entry is not None and not is_saved(entry):
            self.save(slot)
        self.clear(slot)
        return slot

    def keep_first(self, slot: int, tokens: int) -> bool:
        """Take the state in a slot from its idle entry, and keep the first tokens of it; returns whether they
        are there.
        """
        self._forget(slot, covered=tokens)
        kept = self.backend.trim(slot, tokens)
        self.restore_failures += not kept
        return kept

    def restore(self, slot: int, state: State, tokens: int) -> bool:
        """Put a copy's first tokens into an empty slot; returns whether they are there."""
        restored = self.backend.restore(slot, state, tokens)
        self.restore_failures += not restored
        return restored

    def keep_copy(self, slot: int, state: State) -> None:
        """Store a copy of what a slot holds now: as the idle entry's, or of a running one as an entry of its
        own.
        """
        entry = self.entries[slot]
        if entry is None:
            return
        if entry.running:
            self._add_copy(_prefix_of(entry), state)
        elif not is_saved(entry):
            self._cache.keep(entry, state, self._clock_ns())

    def check_integrity(self, busy: set[int]) -> None:
        """Raise AssertionError unless all slots but the busy ones hold idle entries that know it."""
        for slot, entry in enumerate(self.entries):
            if entry is not None and slot not in busy:
                assert not entry.running, f"slot {slot} is free and its entry runs"
                assert entry.slot == slot, f"an idle entry believes to be in slot {entry.slot}, not {slot}"

    def _add_copy(self, copy: Entry, state: State) -> None:
        now_ns = self._clock_ns()
        self._cache.add(copy, now_ns)
        if not self._cache.keep(copy, state, now_ns):
            self._cache.forget(copy)

    def _cost(self, slot: int) -> tuple[int, int]:
        """Of giving up what is in a slot; of equals the longest unused costs least."""
        entry = self.entries[slot]
        if entry is None:
            return 0, 0
        return (1 if is_saved(entry) else 2), entry.used_ns

    def _forget(self, slot: int, covered: int = 0) -> None:
        """Nothing is known of a slot any more; what another goes on with is `covered`."""
        entry, self.entries[slot] = self.entries[slot], None
        if entry is not None:
            self._cache.release(entry, self._clock_ns(), covered=covered)


def is_saved(entry: Entry) -> bool:
    """True where all of an entry's state is outside the KV, too."""
    return entry.stored and entry.stored_tokens >= entry.n_computed


def _prefix_of(running: Entry) -> Entry:
    """The known part of a running sequence: what it has answered so far is in the state, but not in its
    entry.
    """
    held = min(running.n_computed, len(running.tokens))
    return Entry(
        tokens=running.tokens[:held].copy(),
        namespace=running.namespace,
        origin=running.origin.prefix(),
        batched_kernel_mask=running.batched_kernel_mask[:held],
        n_computed=held,
    )
