"""Which slot a sequence runs in, and what of its prompt is there already: the KV tier of the prefix cache.

Runs on the decode thread. Effects go through the `Backend`; what leaves the KV goes to the `PrefixCache`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.engine.backend import Backend
from gateway.engine.cache.entry import NO_KERNEL_MASK, Entry, KernelMask, State
from gateway.engine.cache.found import Found
from gateway.engine.cache.prefix_cache import MIN_STORED_TOKENS, PrefixCache
from gateway.engine.cache.reasons import SLACK_TOKENS, explain
from gateway.engine.schedule.pace import Pace
from gateway.engine.sequence import Sequence as Request
from telemetry.events import CacheReason, CacheSource

MIN_SHARED_TOKENS = 32
"""A prefix that another sequence is computing is waited for from this size on."""

COPY_FACTOR = 10
"""The tail of an ended sequence that another prompt does not share is given up, unless computing it again would take this
many times as long as a copy: its chat may never come back.
"""


@dataclass(frozen=True, slots=True)
class Wait:
    """A sequence waits until a running one has computed `tokens` of the prefix that both have."""

    entry: Entry
    tokens: int


class Placement:
    """Owns what is in each slot: `slots[slot]` is the entry whose state is there, running or idle."""

    def __init__(self, slots: int, backend: Backend, cache: PrefixCache, pace: Pace, clock_ns: Callable[[], int]) -> None:
        self.slots: list[Entry | None] = [None] * slots
        self.backend = backend
        self.cache = cache
        self.restore_failures = 0
        self._pace = pace
        self._clock_ns = clock_ns

    def place(self, request: Request, free: Sequence[int]) -> int | Wait:
        """Give a request one of the free slots, with as much of its prompt in it as the cache has; or tell it to wait."""
        found = self._find(request)
        wait = _wait(request, found)
        if wait is not None:
            return wait
        best = found.kv[0] if found.kv[1] >= found.ram[1] else found.ram[0]
        mask = NO_KERNEL_MASK if best is None else best.batched_kernel_mask
        request.copied_ns = None
        slot, matched, source = self._fill(request, found, free)
        self._note(request, found, matched, source)
        self._settle_in(request, slot, matched, mask)
        return slot

    def awaited(self, request: Request) -> Wait | None:
        """What a request would be told to wait for, if there were a slot for it."""
        return _wait(request, self._find(request))

    def release(self, request: Request, *, usable: bool) -> None:
        """A request leaves its slot; its state stays there for the next one of its conversation, if it is of use."""
        slot, entry = request.slot, request.entry
        assert slot is not None
        assert entry is not None
        request.sampler = self.backend.close(slot)
        entry.running = False
        if usable and request.n_computed > len(request.tokens):  # guesses that were right, behind the end of the answer
            usable = self.backend.trim(slot, len(request.tokens))
            request.n_computed = len(request.tokens)
            del request.batched_kernel_mask[request.n_computed :]
        if not usable or not request.cacheable or request.n_computed < MIN_STORED_TOKENS:
            self._clear(slot)
            self.cache.forget(entry)
            return
        entry.n_computed, entry.batched_kernel_mask = request.n_computed, request.kernels()
        entry.tokens, entry.reply = request.prompt_array()[: request.n_computed], "".join(request.answer)
        self.cache.add(entry, self._clock_ns())
        if not self.backend.keeps_idle or request.pinned:
            self._save(slot)
        if not self.backend.keeps_idle:
            self._clear(slot)

    def suspend(self, request: Request) -> None:
        """Take a request out of its slot, to be placed again later with what was computed."""
        request.blocks.grow(len(request.tokens), request.kernels())
        self.release(request, usable=True)
        request.slot, request.entry, request.n_computed = None, None, 0
        request.batched_kernel_mask.clear()

    def save_one_idle(self) -> bool:
        """Copy one ended sequence that only the KV has into RAM; returns whether there was one."""
        for slot, entry in enumerate(self.slots):
            if entry is not None and not entry.running and not _is_saved(entry) and not entry.unsavable:
                entry.unsavable = not self._save(slot)
                return True
        return False

    def check_integrity(self, running: Sequence[Request]) -> None:
        """Raise AssertionError unless slots, entries and running requests agree."""
        for request in running:
            assert request.slot is not None
            entry = self.slots[request.slot]
            assert entry is request.entry, f"slot {request.slot} holds another entry than {request.id}'s"
            assert entry is not None
            assert entry.running, f"{request.id} runs and its entry does not know"
            assert entry.slot == request.slot, f"{request.id}'s entry believes to be in slot {entry.slot}"
        busy = {request.slot for request in running}
        for slot, entry in enumerate(self.slots):
            if entry is not None and slot not in busy:
                assert not entry.running, f"slot {slot} is free and its entry runs"
                assert entry.slot == slot, f"an idle entry believes to be in slot {entry.slot}, not {slot}"
        self.cache.check_integrity()

    def _find(self, request: Request) -> Found:
        return self.cache.find(request.prompt_array(), request.namespace) if request.cacheable else Found()

    def _fill(self, request: Request, found: Found, free: Sequence[int]) -> tuple[int, int, CacheSource]:
        """Choose a slot and bring the best prefix into it; returns slot, tokens matched and their source."""
        source, best = found.kv if found.kv[1] >= found.ram[1] else found.ram
        matched = request.blocks.round_hit(best, source.batched_kernel_mask) if source is not None else 0
        if source is None or not self._pays(source, matched, free):
            return self._vacate(free), 0, CacheSource.NONE
        if source.slot in free and source is found.kv[0]:
            assert source.slot is not None
            if not self._worth_a_copy(source, matched) or _is_saved(source) or len(free) == 1 or self.cache.keeps_copies:
                return self._take_over(source.slot, source, matched)
        if source is found.kv[0]:
            assert source.slot is not None
            others = [slot for slot in free if slot != source.slot]
            return self._fork(request, source.slot, self._vacate(others), matched)
        state = self.cache.state(source)
        assert state is not None
        target = self._vacate(free)  # may evict the source from RAM; its state is in our hands
        done = self._restore(request, target, state, matched)
        self.cache.touch(source, self._clock_ns())
        tier = request.lookup.read_source or CacheSource.RAM
        return target, matched if done else 0, tier if done else CacheSource.NONE

    def _pays(self, source: Entry, matched: int, free: Sequence[int]) -> bool:
        """Whether taking a prefix is faster than computing it; a state can only be copied whole."""
        if matched == 0 or (source.slot in free and not self._worth_a_copy(source, matched)):
            return matched > 0
        return matched * self._pace.prefill_token_ns > source.reachable * self._pace.copy_token_ns

    def _worth_a_copy(self, entry: Entry, matched: int) -> bool:
        """Whether what is behind the matched tokens would take much longer to compute again than to copy."""
        return (entry.n_computed - matched) * self._pace.prefill_token_ns > COPY_FACTOR * entry.n_computed * self._pace.copy_token_ns

    def _take_over(self, slot: int, entry: Entry, matched: int) -> tuple[int, int, CacheSource]:
        """Go on in the slot of an ended sequence."""
        if self._worth_a_copy(entry, matched) and not _is_saved(entry):
            self._save(slot)
        self.slots[slot] = None
        self.cache.release(entry, self._clock_ns(), covered=matched)
        if self.backend.trim(slot, matched):
            return slot, matched, CacheSource.KV
        self.restore_failures += 1
        return slot, 0, CacheSource.NONE

    def _fork(self, request: Request, source: int, target: int, matched: int) -> tuple[int, int, CacheSource]:
        """Share the prefix of another slot: natively if that costs nothing, else by a copy, which others can use too."""
        if self.backend.fork(source, target, matched):
            return target, matched, CacheSource.KV
        start_ns = self._clock_ns()
        state = self.backend.save(source)
        if state is None:
            return target, 0, CacheSource.NONE
        request.copied_ns = (start_ns, start_ns)
        origin = self.slots[source]
        if origin is not None and (origin.running or not _is_saved(origin)):
            self._keep_copy(origin, state)
        done = self._restore(request, target, state, matched)
        return target, matched if done else 0, CacheSource.KV if done else CacheSource.NONE

    def _keep_copy(self, origin: Entry, state: State) -> None:
        """Store what a slot holds now as an entry of its own, or as the idle entry's."""
        now_ns = self._clock_ns()
        if not origin.running:
            self.cache.keep(origin, state, now_ns)
            return
        held = min(origin.n_computed, len(origin.tokens))  # what it has answered so far is in the state, but not in its entry
        copy = Entry(
            tokens=origin.tokens[:held].copy(),
            namespace=origin.namespace,
            origin=origin.origin.prefix(),
            batched_kernel_mask=origin.batched_kernel_mask[:held],
            n_computed=held,
        )
        self.cache.add(copy, now_ns)
        if not self.cache.keep(copy, state, now_ns):
            self.cache.forget(copy)

    def _restore(self, request: Request, slot: int, state: State, tokens: int) -> bool:
        start_ns = self._clock_ns()
        done = self.backend.restore(slot, state, tokens)
        end_ns = self._clock_ns()
        request.copied_ns = (start_ns if request.copied_ns is None else request.copied_ns[0], end_ns)
        if request.started_ns is None:
            request.lookup.restore_bytes = state.nbytes
        if done:
            self._pace.learn_copy(end_ns - start_ns, tokens)
        else:
            self.restore_failures += 1
        return done

    def _vacate(self, free: Sequence[int]) -> int:
        """Empty one of these slots: an empty one if there is one, else one that is saved, else the longest unused."""

        def cost(slot: int) -> tuple[int, int]:
            entry = self.slots[slot]
            if entry is None:
                return 0, 0
            return (1 if _is_saved(entry) else 2), entry.used_ns

        slot = min(free, key=cost)
        entry = self.slots[slot]
        if entry is not None:
            if not _is_saved(entry):
                self._save(slot)
            self.slots[slot] = None
            self.cache.release(entry, self._clock_ns())
        self.backend.trim(slot, 0)
        return slot

    def _save(self, slot: int) -> bool:
        """Copy an idle slot's state into RAM; returns whether it is there."""
        entry = self.slots[slot]
        assert entry is not None
        if not self.cache.keeps_copies:
            return False
        state = self.backend.save(slot)
        return state is not None and self.cache.keep(entry, state, self._clock_ns())

    def _clear(self, slot: int) -> None:
        entry, self.slots[slot] = self.slots[slot], None
        if entry is not None:
            self.cache.release(entry, self._clock_ns())
        self.backend.trim(slot, 0)

    def _settle_in(self, request: Request, slot: int, matched: int, mask: KernelMask) -> None:
        """The slot is the request's now."""
        entry = Entry(
            tokens=request.prompt_array(),
            namespace=request.namespace,
            origin=request.origin,
            batched_kernel_mask=mask[:matched],
            n_computed=matched,
            slot=slot,
            running=True,
            pinned=request.pinned,
            prompt_tokens=len(request.prompt),
            system_divergence=request.lookup.comparison.system_divergence,
        )
        self.slots[slot] = request.entry = entry
        if request.cacheable:
            self.cache.add(entry, self._clock_ns())
        request.slot, request.n_computed = slot, matched
        request.batched_kernel_mask[:] = bytes(mask[:matched])
        self.backend.open(slot, request.sampling, request.sampler)

    def _note(self, request: Request, found: Found, matched: int, source: CacheSource) -> None:
        """What the request's record will say of its lookup: that of the slot in which it began to be computed."""
        lookup = request.lookup
        if not request.cacheable or request.started_ns is not None:
            return
        lookup.restore_ns = request.copied_ns
        lookup.more = {}
        best = max(matched, found.available_tokens if matched else 0)
        lookup.matched, lookup.source = matched, source
        lost, lost_tokens = found.lost
        lookup.reason = explain(lookup.comparison, matched=best, prompt_tokens=len(request.prompt), lost=lost_tokens)
        if lookup.reason is CacheReason.EVICTED and lost is not None:
            lookup.more["lost_tokens"] = lost_tokens
            if lost.lost == CacheReason.KV_TYPE_CHANGED:
                lookup.reason = CacheReason.KV_TYPE_CHANGED
            else:
                lookup.more |= {"lost_tier": lost.lost, "lost_age_s": round((self._clock_ns() - lost.lost_ns) / 1e9, 3)}
        elif found.elsewhere > best + SLACK_TOKENS and lookup.reason is CacheReason.NEW_CONVERSATION:
            lookup.reason = CacheReason.ADAPTER_CHANGED


def _wait(request: Request, found: Found) -> Wait | None:
    """A running request's prefix is waited for where it is much longer than what is at hand; a background one's only by others."""
    running, shared = found.in_progress
    if running is None or shared < found.available_tokens + MIN_SHARED_TOKENS or (running.origin.background and not request.background):
        return None
    return Wait(running, shared)


def _is_saved(entry: Entry) -> bool:
    return entry.stored and entry.stored_tokens >= entry.n_computed
