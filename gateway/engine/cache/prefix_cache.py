"""The prefix cache: known prompts, and the RAM and disk tiers with their budgets.

Thread-safe: intake looks prompts up, the decode thread stores, the disk thread reads and writes. It holds no native
state: what the KV holds is the business of `gateway.engine.schedule.placement`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gateway.engine.cache.entry import Entry, Origin, State, Tokens
from gateway.engine.cache.files import Files
from gateway.engine.cache.found import Found
from gateway.engine.cache.index import PromptIndex
from gateway.engine.cache.reasons import Comparison, Prompt
from telemetry.events import CacheSource, TierSample

MIN_STORED_TOKENS = 16
"""Shorter prefixes are not worth a copy."""

AGE_OFFSET_S = 30.0
"""Ages are compared with this much added, so that an entry of seconds ago does not outweigh one of a minute ago."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Bytes for each tier; 0 turns a tier off."""

    ram_bytes: int = 0
    disk_bytes: int = 0


class PrefixCache:
    """Owns index and budgets; `disk_off` says why there is no disk tier though there is a budget for it ("" if there is)."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.evicted: Counter[str] = Counter()
        self.discarded: Counter[str] = Counter()
        self.disk_off = ""
        self._index = PromptIndex()
        self._files = Files()
        self._ram_bytes = 0
        self._lock = threading.RLock()

    def compare(self, prompt: Prompt, namespace: str, origin: Origin) -> Comparison:
        """A prompt compared with the nearest known one."""
        with self._lock:
            return self._index.compare(prompt, namespace, origin)

    def find(self, tokens: Tokens, namespace: str) -> Found:
        """What each tier has of a prompt. One token is always left to compute: its logits give the first answer token."""
        found, most = Found(), len(tokens) - 1
        with self._lock:
            for common, entry in self._index.tree(namespace).match(tokens):
                if common <= found.available_tokens:
                    break
                found.weigh(entry, min(common, most))
            found.elsewhere = self._index.elsewhere(tokens, namespace)
        return found

    def add(self, entry: Entry, now_ns: int) -> None:
        """Make a prompt known; or known under its present tokens, when they have grown."""
        with self._lock:
            entry.used_ns = now_ns
            self._index.add(entry)

    def touch(self, entry: Entry, now_ns: int) -> None:
        """Count a use."""
        with self._lock:
            entry.used_ns, entry.too_poor = now_ns, False
            entry.uses += 1

    def keep(self, entry: Entry, blob: State, now_ns: int) -> bool:
        """Store the state of an entry's `n_computed` tokens in RAM; what it covers goes, then what is worth least.

        Returns whether it was kept: not if it is larger than the budget, nor a background entry that would push out
        others.
        """
        with self._lock:
            room = self.budget.ram_bytes - (self._ram_bytes if entry.origin.background else 0)
            if blob.nbytes > room:
                return False
            self._drop_blob(entry)
            entry.blob, entry.blob_tokens = blob, entry.n_computed
            self._ram_bytes += blob.nbytes
            self._index.tree(entry.namespace).mark(entry)
            self._drop_covered(entry)
            self._shrink(now_ns)
            return entry.blob is not None

    def release(self, entry: Entry, now_ns: int, *, covered: int = 0) -> None:
        """The KV no longer holds an entry, but for the first `covered` tokens, which another one has taken over: what is
        stored of it stays, otherwise only the memory of it.
        """
        with self._lock:
            entry.slot, entry.running = None, False
            if entry.stored or entry not in self._index:
                return
            if covered >= entry.n_computed:
                self._index.forget(entry)
                return
            self.evicted[CacheSource.KV] += entry.n_computed - covered
            self._index.remember(entry, CacheSource.KV, now_ns)

    def forget(self, entry: Entry) -> None:
        """Drop an entry and all that is stored of it."""
        with self._lock:
            self._drop_blob(entry)
            self._drop_file(entry)
            self._index.forget(entry)

    def unwritten(self, idle_since_ns: int) -> list[Entry]:
        """Entries in RAM that are not on disk and were not used since a moment."""
        with self._lock:
            waiting = [entry for entry in self._index if entry.blob is not None and entry.path is None and not entry.too_poor]
            return [entry for entry in waiting if entry.used_ns <= idle_since_ns and self.budget.disk_bytes]

    def written(self, entry: Entry, path: Path, size_bytes: int, now_ns: int) -> None:
        """A file is there now; its entry may have lost its copy in RAM, or everything, meanwhile."""
        with self._lock:
            if entry not in self._index or not entry.blob_tokens or not self.budget.disk_bytes:
                self._lost_file(self._files.refuse(path), now_ns)
                return
            self._index.recall(entry)
            self._own(entry, path, size_bytes)
            self._drop_covered(entry)
            self._shrink(now_ns)

    def unwanted(self) -> list[Path]:
        """Files whose entries are gone, for the disk thread to remove; each is told once."""
        with self._lock:
            return self._files.unwanted()

    def limit_disk(self, size_bytes: int, now_ns: int) -> None:
        """What the disk tier may have from now on."""
        with self._lock:
            self.budget = replace(self.budget, disk_bytes=size_bytes)
            self._shrink(now_ns)

    def turn_disk_off(self, reason: str, now_ns: int) -> None:
        """There is no disk tier any more, and why; files stay where they are, since they could not be removed either."""
        with self._lock:
            if not self.disk_off:
                self.discarded["disk_off"] += 1
            self.budget, self.disk_off = replace(self.budget, disk_bytes=0), reason
            for entry in self._files.abandon():
                self._lost_file(entry, now_ns)

    def found_on_disk(self, entry: Entry, path: Path, size_bytes: int, now_ns: int) -> None:
        """A file of an earlier process, or one that an entry in RAM had before the disk tier was off."""
        with self._lock:
            self.add(entry, entry.used_ns)
            twin = next((other for other in self._index.tree(entry.namespace).prefixes(entry) if _same_state(other, entry)), None)
            if twin is not None and twin.blob is not None:
                self._index.forget(entry)
                entry = twin
            self._own(entry, path, size_bytes)
            self._shrink(now_ns)

    def remember(self, entry: Entry, tier: str, now_ns: int) -> None:
        """Make a prompt known whose state cannot be had, and why."""
        with self._lock:
            self._index.add(entry)
            self._index.remember(entry, tier, now_ns)

    def loaded(self, entry: Entry, blob: State, now_ns: int) -> None:
        """An entry's file has been read into RAM."""
        with self._lock:
            if entry.blob is None and entry.path is not None:
                entry.blob = blob
                self._ram_bytes += blob.nbytes
                self._index.tree(entry.namespace).mark(entry)
                entry.used_ns = now_ns
                self._shrink(now_ns, spare=entry)

    def discard(self, entry: Entry, reason: str, now_ns: int) -> None:
        """An entry's file is of no use; the reason is counted."""
        with self._lock:
            self.discarded[reason] += 1
            self._drop_file(entry)
            self._lost_file(entry, now_ns)

    def tiers(self) -> list[TierSample]:
        """Entries, bytes and tokens of each tier; the KV's bytes are not counted here."""
        with self._lock:
            entries = list(self._index)
            in_kv = [entry.n_computed for entry in entries if entry.slot is not None]
            in_ram = [entry.blob_tokens for entry in entries if entry.blob is not None]
            on_disk = [entry.blob_tokens for entry in entries if entry.path is not None]
            return [
                TierSample(CacheSource.KV, len(in_kv), None, sum(in_kv)),
                TierSample(CacheSource.RAM, len(in_ram), self._ram_bytes, sum(in_ram)),
                TierSample(CacheSource.DISK, len(on_disk), self._files.size_bytes, sum(on_disk)),
            ]

    def check_integrity(self) -> None:
        """Raise AssertionError unless bytes and index agree and budgets are kept."""
        with self._lock:
            self._index.check_integrity()
            entries = list(self._index)
            ram = sum(entry.blob.nbytes for entry in entries if entry.blob is not None)
            assert ram == self._ram_bytes, f"{self._ram_bytes} bytes are counted in RAM and {ram} held"
            self._files.check_integrity(entries)
            assert ram <= self.budget.ram_bytes, "RAM is over its budget"
            assert self._files.size_bytes <= self.budget.disk_bytes, "the disk is over its budget"

    def _shrink(self, now_ns: int, spare: Entry | None = None) -> None:
        """Evict what saves least prefill per byte and age until both budgets are kept; pinned entries go last."""
        while self._ram_bytes > self.budget.ram_bytes:
            held = [entry for entry in self._index if entry.blob is not None]
            victim = self._least([entry for entry in held if entry is not spare] or held, now_ns)
            self.evicted[CacheSource.RAM] += victim.blob_tokens
            self._drop_blob(victim)
            self._note_loss(victim, CacheSource.RAM, now_ns)
        while self._files.size_bytes > self.budget.disk_bytes:
            victim = self._least([entry for entry in self._index if entry.path is not None], now_ns)
            self.evicted[CacheSource.DISK] += victim.blob_tokens
            victim.too_poor = True
            self._drop_file(victim)
            self._note_loss(victim, CacheSource.DISK, now_ns)

    def _least(self, entries: Iterable[Entry], now_ns: int) -> Entry:
        """Prefill tokens that only this entry saves, per byte, by use and age."""

        def value(entry: Entry) -> tuple[bool, bool, float]:
            own = self._index.tree(entry.namespace).own_tokens(entry)
            size = entry.disk_bytes if entry.blob is None else entry.blob.nbytes
            age_s = (now_ns - entry.used_ns) / 1e9 + AGE_OFFSET_S
            return entry.pinned, not entry.origin.background, own * (1 + entry.uses) / max(1, size) / max(AGE_OFFSET_S, age_s)

        return min(entries, key=value)

    def _note_loss(self, entry: Entry, tier: CacheSource, now_ns: int) -> None:
        if entry.source is CacheSource.NONE:
            self._index.remember(entry, tier, now_ns)

    def _drop_covered(self, entry: Entry) -> None:
        """Entries that are a prefix of this one add nothing to it; their files stay until its own is written, or become its
        own where both have the same state.
        """
        for other in list(self._index.tree(entry.namespace).prefixes(entry)):
            if other.slot is not None or other.pinned or len(other.tokens) > entry.blob_tokens:
                continue
            if entry.path is None and other.path is not None and not entry.pinned and _same_state(other, entry):
                self._own(entry, other.path, other.disk_bytes)
            if other.path is None or entry.path is not None:
                self.forget(other)
            else:
                self._drop_blob(other)

    def _own(self, entry: Entry, path: Path, size_bytes: int) -> None:
        """A file is an entry's; whoever had it before has nothing that this one has not."""
        before = self._files.give(entry, path, size_bytes)
        self._index.tree(entry.namespace).mark(entry)
        if before is not None and before in self._index:
            self._index.tree(before.namespace).mark(before)
            if before.source is CacheSource.NONE:
                entry.pinned = entry.pinned or before.pinned
                self._index.forget(before)

    def _lost_file(self, entry: Entry | None, now_ns: int) -> None:
        """An entry has no file any more, and maybe nothing."""
        if entry is None or entry not in self._index:
            return
        self._index.tree(entry.namespace).mark(entry)
        if entry.source is CacheSource.NONE:
            entry.blob_tokens = 0
            self._index.remember(entry, CacheSource.DISK, now_ns)

    def _drop_blob(self, entry: Entry) -> None:
        if entry.blob is not None:
            self._ram_bytes -= entry.blob.nbytes
            entry.blob = None
            self._index.tree(entry.namespace).mark(entry)

    def _drop_file(self, entry: Entry) -> None:
        if entry.path is not None:
            self._files.drop(entry)
            if entry in self._index:
                self._index.tree(entry.namespace).mark(entry)


def _same_state(one: Entry, other: Entry) -> bool:
    """Whether two entries' states, wherever they are, are of the same tokens, computed by the same kernels."""
    size = one.blob_tokens
    return (
        one is not other
        and size == other.blob_tokens == len(one.tokens) == len(other.tokens)
        and np.array_equal(one.tokens, other.tokens)
        and np.array_equal(one.batched_kernel_mask[:size], other.batched_kernel_mask[:size])
    )
