"""Bringing the best prefix of a sequence into a slot: from another slot, or from RAM, where that is faster
than computing it.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.engine.cache.entry import Entry, State
from gateway.engine.cache.found import Found
from gateway.engine.cache.prefix_cache import PrefixCache
from gateway.engine.schedule.hit import Hit, best_of
from gateway.engine.schedule.pace import Pace
from gateway.engine.schedule.slot_states import SlotStates, is_saved
from gateway.engine.sequence.sequence import Sequence
from telemetry.events import CacheSource

COPY_FACTOR = 10
"""The tail of an ended sequence that another prompt does not share is given up, unless computing it again
would take this many times as long as a copy: its chat may never come back.
"""


class PrefixLoader:
    """Chooses a slot and the way by which a prefix gets there; learns what copies cost."""

    def __init__(
        self,
        states: SlotStates,
        cache: PrefixCache,
        pace: Pace,
        clock_ns: Callable[[], int],
    ) -> None:
        self._states = states
        self._cache = cache
        self._pace = pace
        self._clock_ns = clock_ns

    def load(self, sequence: Sequence, found: Found, free: list[int]) -> Hit:
        """Choose one of the free slots and bring the best prefix into it."""
        source, common = best_of(found)
        if source is None:
            return Hit(self._states.vacate(free))
        matched = sequence.progress.blocks.round_hit(common, source.batched_kernel_mask)
        if not self._pays(source, matched, free):
            return Hit(self._states.vacate(free))
        if source is not found.kv[0]:
            return self._from_ram(sequence, source, matched, free)
        assert source.slot is not None
        if source.slot in free and (len(free) == 1 or self._may_take_over(source, matched)):
            return self._take_over(source, source.slot, matched)
        others = [slot for slot in free if slot != source.slot]
        return self._fork(sequence, source.slot, self._states.vacate(others), matched)

    def _pays(self, source: Entry, matched: int, free: list[int]) -> bool:
        """True where taking a prefix is faster than computing it; a state can only be copied whole."""
        if matched == 0 or (source.slot in free and not self._worth_a_copy(source, matched)):
            return matched > 0
        return matched * self._pace.prefill_token_ns > source.reachable * self._pace.copy_token_ns

    def _worth_a_copy(self, entry: Entry, matched: int) -> bool:
        """True where what is behind the matched tokens takes much longer to compute again than to copy."""
        computing_ns = (entry.n_computed - matched) * self._pace.prefill_token_ns
        return computing_ns > COPY_FACTOR * entry.n_computed * self._pace.copy_token_ns

    def _may_take_over(self, source: Entry, matched: int) -> bool:
        """True where what is behind the matched tokens may go, or can be had again from RAM."""
        in_ram = is_saved(source) or self._cache.keeps_copies
        return in_ram or not self._worth_a_copy(source, matched)

    def _take_over(self, source: Entry, slot: int, matched: int) -> Hit:
        """Go on in the slot of an ended sequence."""
        if self._worth_a_copy(source, matched) and not is_saved(source):
            self._states.save(slot)
        kept = self._states.keep_first(slot, matched)
        return Hit(slot, matched, CacheSource.KV) if kept else Hit(slot)

    def _fork(self, sequence: Sequence, source: int, target: int, matched: int) -> Hit:
        """Share the prefix of another slot: natively if that costs nothing, else by a copy, which others can
        use too.
        """
        if self._states.backend.fork(source, target, matched):
            return Hit(target, matched, CacheSource.KV)
        start_ns = self._clock_ns()
        state = self._states.backend.save(source)
        if state is None:
            return Hit(target)
        sequence.stamps.copied_ns = (start_ns, start_ns)
        self._states.keep_copy(source, state)
        restored = self._restore(sequence, target, state, matched)
        return Hit(target, matched, CacheSource.KV) if restored else Hit(target)

    def _from_ram(self, sequence: Sequence, source: Entry, matched: int, free: list[int]) -> Hit:
        """Read a copy back."""
        state = self._cache.state(source)
        assert state is not None
        target = self._states.vacate(free)  # may evict the source from RAM; its state is in our hands
        restored = self._restore(sequence, target, state, matched)
        self._cache.touch(source, self._clock_ns())
        tier = sequence.lookup.read_source or CacheSource.RAM
        return Hit(target, matched, tier) if restored else Hit(target)

    def _restore(self, sequence: Sequence, slot: int, state: State, tokens: int) -> bool:
        """Put a copy's first tokens into an empty slot, and stamp it; returns whether they are there."""
        start_ns, stamps = self._clock_ns(), sequence.stamps
        restored = self._states.restore(slot, state, tokens)
        end_ns = self._clock_ns()
        stamps.copied_ns = (start_ns if stamps.copied_ns is None else stamps.copied_ns[0], end_ns)
        if stamps.started_ns is None:
            sequence.lookup.restore_bytes = state.nbytes
        if restored:
            self._pace.learn_copy(end_ns - start_ns, tokens)
        return restored
