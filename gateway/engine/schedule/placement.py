"""Placement: the slot that a sequence runs in, and the part of its prompt that is there already.

Runs on the decode thread. What is in the slots is the `SlotStates`'; what left them the `PrefixCache`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.engine.backend import Backend
from gateway.engine.cache.entry import NO_KERNEL_MASK, Entry, KernelMask
from gateway.engine.cache.found import Found
from gateway.engine.cache.prefix_cache import MIN_STORED_TOKENS, PrefixCache
from gateway.engine.schedule.hit import Hit, best_of, note_hit
from gateway.engine.schedule.pace import Pace
from gateway.engine.schedule.prefix_loader import PrefixLoader
from gateway.engine.schedule.slot_states import SlotStates
from gateway.engine.sequence.sequence import Sequence

MIN_SHARED_TOKENS = 32
"""A prefix that another sequence is computing is waited for from this size on."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A sequence waits until a running one has computed `tokens` of the prefix that both have."""

    entry: Entry
    tokens: int


class Placement:
    """Gives sequences slots, and keeps what they leave there for the next of their conversation."""

    def __init__(
        self,
        slots: int,
        backend: Backend,
        cache: PrefixCache,
        pace: Pace,
        clock_ns: Callable[[], int],
    ) -> None:
        self.backend = backend
        self.states = SlotStates(slots, backend, cache, clock_ns)
        self._cache = cache
        self._loader = PrefixLoader(self.states, cache, pace, clock_ns)
        self._clock_ns = clock_ns

    def place(self, sequence: Sequence, free: list[int]) -> int | Wait:
        """Give a sequence one of the free slots, with as much of its prompt in it as the cache has; or tell
        it to wait.
        """
        found = self._find(sequence)
        wait = _wait(sequence, found)
        if wait is not None:
            return wait
        best = best_of(found)[0]
        mask = NO_KERNEL_MASK if best is None else best.batched_kernel_mask
        sequence.stamps.copied_ns = None
        hit = self._loader.load(sequence, found, free)
        note_hit(sequence, found, hit, self._clock_ns())
        self._settle_in(sequence, hit, mask)
        return hit.slot

    def awaited(self, sequence: Sequence) -> Wait | None:
        """The wait that a sequence would be told, if there were a slot for it."""
        return _wait(sequence, self._find(sequence))

    def release(self, sequence: Sequence, *, usable: bool) -> None:
        """A sequence leaves its slot; its state stays for the next of its conversation, if it is of use."""
        slot, entry, progress = sequence.slot, sequence.entry, sequence.progress
        assert slot is not None
        assert entry is not None
        sequence.sampler = self.backend.close(slot)
        entry.running = False
        if usable:
            usable = self._cut_guesses(slot, sequence)
        if not usable or not sequence.lookup.cacheable or progress.n_computed < MIN_STORED_TOKENS:
            self.states.clear(slot)
            self._cache.forget(entry)
            return
        entry.n_computed, entry.batched_kernel_mask = progress.n_computed, progress.kernels()
        entry.tokens, entry.reply = progress.array()[: progress.n_computed], "".join(progress.answer)
        self._cache.add(entry, self._clock_ns())
        if not self.backend.keeps_idle or sequence.request.pinned:
            self.states.save(slot)
        if not self.backend.keeps_idle:
            self.states.clear(slot)

    def suspend(self, sequence: Sequence) -> None:
        """Take a sequence out of its slot, to be placed again later with what was computed."""
        progress = sequence.progress
        progress.blocks.grow(len(progress.tokens), progress.kernels())
        self.release(sequence, usable=True)
        sequence.slot = sequence.entry = None
        progress.cut(0)

    def cut_back(self, sequence: Sequence) -> bool:
        """Take off a sequence's state what a failed batch left there; returns whether it is as before."""
        assert sequence.slot is not None
        return self.backend.trim(sequence.slot, sequence.progress.n_computed)

    def save_one_idle(self) -> bool:
        """Copy one ended sequence that only the KV has into RAM; returns whether there was one."""
        return self.states.save_one_idle()

    def check_integrity(self, running: list[Sequence]) -> None:
        """Raise AssertionError unless slots, entries and running sequences agree."""
        for sequence in running:
            assert sequence.slot is not None
            entry = self.states.entries[sequence.slot]
            assert entry is sequence.entry, f"slot {sequence.slot} holds another entry than {sequence.id}'s"
            assert entry is not None
            assert entry.running, f"{sequence.id} runs and its entry does not know"
            assert entry.slot == sequence.slot, f"{sequence.id}'s entry believes to be in slot {entry.slot}"
        self.states.check_integrity({sequence.slot for sequence in running if sequence.slot is not None})
        self._cache.check_integrity()

    def _find(self, sequence: Sequence) -> Found:
        if not sequence.lookup.cacheable:
            return Found()
        return self._cache.find(sequence.progress.array(), sequence.request.namespace)

    def _settle_in(self, sequence: Sequence, hit: Hit, mask: KernelMask) -> None:
        """The slot is the sequence's now."""
        entry = Entry(
            tokens=sequence.progress.array(),
            namespace=sequence.request.namespace,
            origin=sequence.lookup.origin,
            batched_kernel_mask=mask[: hit.matched],
            n_computed=hit.matched,
            slot=hit.slot,
            running=True,
            pinned=sequence.request.pinned,
            prompt_tokens=sequence.progress.prompt_tokens,
            system_divergence=sequence.lookup.comparison.system_divergence,
        )
        self.states.entries[hit.slot] = sequence.entry = entry
        if sequence.lookup.cacheable:
            self._cache.add(entry, self._clock_ns())
        sequence.slot = hit.slot
        sequence.progress.place(hit.matched, mask)
        self.backend.open(hit.slot, sequence.request.sampling, sequence.sampler, sequence.matcher)

    def _cut_guesses(self, slot: int, sequence: Sequence) -> bool:
        """Take off the guesses that were right but stand behind the end of the answer; returns whether the
        rest is there.
        """
        progress = sequence.progress
        tokens = len(progress.tokens)
        if progress.n_computed <= tokens:
            return True
        progress.cut(tokens)
        return self.backend.trim(slot, tokens)


def _wait(sequence: Sequence, found: Found) -> Wait | None:
    """The wait of a sequence, if it is to wait: for a running one's prefix that is much longer than what is
    available, and a background one's only in the background.
    """
    running, shared = found.in_progress
    if running is None or shared < found.available_tokens + MIN_SHARED_TOKENS:
        return None
    if running.origin.background and not sequence.request.background:
        return None
    return Wait(running, shared)
