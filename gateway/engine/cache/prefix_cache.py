"""The prefix cache: known prompts, and the tiers that hold their states, each within its budget.

Thread-safe: intake looks prompts up, the decode thread stores, tiers' own threads read and write. It holds no
native state: what the KV holds is the business of `gateway.engine.schedule.placement`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from gateway.engine.cache.entry import Entry, Origin, State, Tokens, same_state
from gateway.engine.cache.eviction import value
from gateway.engine.cache.found import Found
from gateway.engine.cache.index import PromptIndex
from gateway.engine.cache.reasons import Comparison, Prompt
from gateway.engine.cache.tiers.kv import KvTier
from gateway.engine.cache.tiers.ram import RamTier
from gateway.engine.cache.tiers.stores import Stores
from gateway.engine.cache.tiers.tier import Tier, merged
from telemetry.events import CacheSource, TierSample

MIN_STORED_TOKENS = 16
"""Shorter prefixes are not worth a copy."""


class PrefixCache:
    """Owns the index and the tiers: the KV, RAM, where states are copied to and from, and any `lower` ones,
    faster ones first.

    `evicted` counts tokens by source, `discarded` copies that were of no use by reason. A tier with a thread
    of its own takes `lock` for what must be seen as one change.
    """

    def __init__(self, ram: RamTier, *lower: Tier) -> None:
        self.evicted: Counter[str] = Counter()
        self.discarded: Counter[str] = Counter()
        self.lock = threading.RLock()
        self._kv: Tier = KvTier()
        self._ram = ram
        self._stores = Stores(ram, *lower)
        self._index = PromptIndex()

    @property
    def keeps_copies(self) -> bool:
        """Whether states are copied out of the KV at all."""
        return self._ram.budget_bytes > 0

    @property
    def has_lower_tiers(self) -> bool:
        """Whether there may be states that must be read into RAM first."""
        return any(tier.budget_bytes for tier in self._stores if not tier.direct)

    def compare(self, prompt: Prompt, namespace: str, origin: Origin) -> Comparison:
        """A prompt compared with the nearest known one."""
        with self.lock:
            return self._index.compare(prompt, namespace, origin)

    def find(self, tokens: Tokens, namespace: str) -> Found:
        """What the tiers have of a prompt. One token is always left to compute: its logits give the first
        answer token.
        """
        found, most = Found(), len(tokens) - 1
        with self.lock:
            for common, entry in self._index.tree(namespace).match(tokens):
                if common <= found.available_tokens:
                    break
                found.weigh(entry, min(common, most))
            found.elsewhere = self._index.elsewhere(tokens, namespace)
        return found

    def state(self, entry: Entry) -> State | None:
        """An entry's state as it can be copied into a slot now; None where no tier has it ready."""
        return self._ram.state(entry)

    def fastest(self, entry: Entry) -> Tier | None:
        """The first tier behind the KV that holds an entry's state."""
        with self.lock:
            return next(iter(self._stores.holders(entry)), None)

    def knows(self, entry: Entry) -> bool:
        """Whether an entry is in the index."""
        with self.lock:
            return entry in self._index

    def add(self, entry: Entry, now_ns: int) -> None:
        """Make a prompt known; or known under its present tokens, when they have grown."""
        with self.lock:
            entry.used_ns = now_ns
            self._index.add(entry)

    def touch(self, entry: Entry, now_ns: int) -> None:
        """Count a use."""
        with self.lock:
            entry.used_ns, entry.too_poor = now_ns, False
            entry.uses += 1

    def keep(self, entry: Entry, state: State, now_ns: int) -> bool:
        """Store the state of an entry's `n_computed` tokens in RAM; what it covers goes, then what is worth
        least.

        Returns whether it was kept: not if it is larger than the budget, nor a background entry that would
        push out others.
        """
        with self.lock:
            taken = self._ram.size_bytes if entry.origin.background else 0
            if state.nbytes > self._ram.budget_bytes - taken:
                return False
            entry.stored_tokens = entry.n_computed
            self._ram.hold(entry, state)
            self._mark(entry)
            self._drop_covered(entry)
            self._shrink(now_ns)
            return self._ram.holds(entry)

    def release(self, entry: Entry, now_ns: int, *, covered: int = 0) -> None:
        """The KV no longer holds an entry, but for the first `covered` tokens, which another one has taken
        over: what is stored of it stays, otherwise only the memory of it.
        """
        with self.lock:
            self._kv.drop(entry)
            if entry.stored or entry not in self._index:
                return
            if covered >= entry.n_computed:
                self._index.forget(entry)
                return
            self.evicted[self._kv.source] += entry.n_computed - covered
            self._index.remember(entry, self._kv.name, now_ns)

    def forget(self, entry: Entry) -> None:
        """Drop an entry and all that is stored of it."""
        with self.lock:
            self._drop(entry, self._stores)
            self._index.forget(entry)

    def remember(self, entry: Entry, tier: str, now_ns: int) -> None:
        """Make a prompt known whose state cannot be had, and why."""
        with self.lock:
            self._index.add(entry)
            self._index.remember(entry, tier, now_ns)

    def unwritten(self, tier: Tier, idle_since_ns: int) -> list[Entry]:
        """Entries in RAM that a tier has not, though it may, and that were not used since a moment."""
        with self.lock:
            if not tier.budget_bytes:
                return []
            in_ram = [entry for entry in self._index if self._ram.holds(entry) and not tier.holds(entry)]
            return [entry for entry in in_ram if entry.used_ns <= idle_since_ns and not entry.too_poor]

    def known_twin(self, entry: Entry, now_ns: int) -> Entry:
        """The entry that a copy from an earlier process belongs to: one in RAM with the same state, or else
        this one, which is known from now on.
        """
        with self.lock:
            self.add(entry, now_ns)
            others = self._index.tree(entry.namespace).prefixes(entry)
            twin = next((other for other in others if same_state(other, entry)), None)
            if twin is None or not self._ram.holds(twin):
                return entry
            self._index.forget(entry)
            return twin

    def gained(self, entry: Entry, before: Entry | None, now_ns: int, *, covering: bool = False) -> None:
        """A tier holds an entry's state now, in place of that of `before`; if `covering`, what the entry
        covers goes.
        """
        with self.lock:
            self._index.recall(entry)
            self._succeed(entry, before)
            if covering:
                self._drop_covered(entry)
            self._shrink(now_ns)

    def lost(self, entry: Entry | None, tier: Tier, now_ns: int) -> None:
        """A tier does not hold an entry's state any more, and maybe nobody does."""
        with self.lock:
            if entry is None or entry not in self._index:
                return
            self._mark(entry)
            if entry.source is CacheSource.NONE:
                entry.stored_tokens = 0
                self._index.remember(entry, tier.name, now_ns)

    def discard(self, entry: Entry, tier: Tier, reason: str, now_ns: int) -> None:
        """What a tier holds of an entry is of no use; the reason is counted."""
        with self.lock:
            self.discarded[reason] += 1
            tier.drop(entry)
            self.lost(entry, tier, now_ns)

    def loaded(self, entry: Entry, state: State, now_ns: int) -> None:
        """An entry's state has been read into RAM."""
        with self.lock:
            if entry.stored and not self._ram.holds(entry):
                self._ram.hold(entry, state)
                self._mark(entry)
                entry.used_ns = now_ns
                self._shrink(now_ns, spare=entry)

    def limit(self, tier: Tier, budget_bytes: int, now_ns: int) -> None:
        """What a tier may have from now on."""
        with self.lock:
            tier.budget_bytes = budget_bytes
            self._shrink(now_ns)

    def tiers(self) -> list[TierSample]:
        """Entries, bytes and tokens of each tier; the KV's bytes are not counted here."""
        with self.lock:
            entries = list(self._index)
            return merged(tier.sample(entries) for tier in (self._kv, *self._stores))

    def check_integrity(self) -> None:
        """Raise AssertionError unless tiers and index agree and budgets are kept."""
        with self.lock:
            self._index.check_integrity()
            entries = list(self._index)
            for tier in (self._kv, *self._stores):
                tier.check_integrity(entries)
                assert tier.size_bytes <= tier.budget_bytes, f"{tier.name} is over its budget"
            for entry in entries:
                assert entry.holders == self._stores.holders(entry), "an entry is held by others than it says"

    def _shrink(self, now_ns: int, spare: Entry | None = None) -> None:
        """Evict what is worth least from each tier until its budget is kept; `spare` goes last."""
        for tier in self._stores:
            while tier.size_bytes > tier.budget_bytes:
                victim = self._least(tier, now_ns, spare)
                self.evicted[tier.source] += victim.stored_tokens
                self._stores.evict(victim, tier)
                self._mark(victim)
                if victim.source is CacheSource.NONE:
                    self._index.remember(victim, tier.name, now_ns)

    def _least(self, tier: Tier, now_ns: int, spare: Entry | None) -> Entry:
        """Of what a tier holds, what is worth least; its bytes are those in the fastest tier that has it."""

        def worth(entry: Entry) -> tuple[bool, bool, float]:
            own_tokens = self._index.tree(entry.namespace).own_tokens(entry)
            return value(entry, own_tokens, entry.holders[0].size(entry), now_ns)

        held = [entry for entry in self._index if tier in entry.holders]
        return min([entry for entry in held if entry is not spare] or held, key=worth)

    def _drop_covered(self, entry: Entry) -> None:
        """Entries that are a prefix of this one add nothing to it; what slower tiers hold of them stays until
        they have this one's state, or becomes its own where both have the same state.
        """
        for other in list(self._index.tree(entry.namespace).prefixes(entry)):
            if other.slot is not None or other.pinned or len(other.tokens) > entry.stored_tokens:
                continue
            slower = self._stores.slower(entry)
            if not entry.pinned and same_state(other, entry):
                self._hand_over(other, entry, slower)
            if any(tier.holds(other) for tier in slower):
                self._drop(other, [tier for tier in self._stores if tier not in slower])
            else:
                self.forget(other)

    def _hand_over(self, entry: Entry, successor: Entry, tiers: Iterable[Tier]) -> None:
        for tier in tiers:
            if tier.holds(entry):
                tier.hand_over(entry, successor)
                self._succeed(successor, entry)

    def _succeed(self, entry: Entry, before: Entry | None) -> None:
        """An entry has a copy that was another's; whoever had it before has nothing that this one has not."""
        self._mark(entry)
        if before is not None and before in self._index:
            self._mark(before)
            if before.source is CacheSource.NONE:
                entry.pinned = entry.pinned or before.pinned
                self._index.forget(before)

    def _drop(self, entry: Entry, tiers: Iterable[Tier]) -> None:
        for tier in tiers:
            tier.drop(entry)
        self._mark(entry)

    def _mark(self, entry: Entry) -> None:
        """Take note of who holds an entry's state now."""
        entry.holders = self._stores.holders(entry)
        if entry in self._index:
            self._index.tree(entry.namespace).mark(entry)
