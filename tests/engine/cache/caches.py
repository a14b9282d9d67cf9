"""A prefix cache with a disk tier in a folder, entries with states, and what can be seen from outside."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from gateway.engine.cache.disk.file import DiskKey
from gateway.engine.cache.disk.thread import DiskThread
from gateway.engine.cache.entry import Entry, State, Tokens
from gateway.engine.cache.prefix_cache import PrefixCache
from gateway.engine.cache.tiers.disk import DiskTier
from gateway.engine.cache.tiers.ram import RamTier
from gateway.engine.cache.tiers.tier import Tier

KEY = DiskKey("0123456789abcdef" * 4, "llama.cpp 1", "f16", "f16", 8)
OTHER_BUILD = DiskKey("0123456789abcdef" * 4, "llama.cpp 2", "f16", "f16", 8)
OTHER_MODEL = DiskKey("fedcba9876543210" * 4, "llama.cpp 1", "f16", "f16", 8)
STATE_BYTES = 1000
FLUSH_S = 30.0


class Disk:
    """One engine's cache with RAM, disk and any `more` tiers; the disk's thread does what it is told to."""

    def __init__(
        self,
        root: Path,
        key: DiskKey = KEY,
        *more: Tier,
        ram_bytes: int = 10**6,
        disk_bytes: int = 10**6,
        model: str = "demo",
    ) -> None:
        self.ram, self.tier = RamTier(ram_bytes), DiskTier(disk_bytes)
        self.cache = PrefixCache(self.ram, self.tier, *more)
        self.thread = DiskThread(root, key, self.tier, self.cache, model)
        self.folder = key.folder(root)
        self.thread.open()

    def keep(
        self,
        tokens: Tokens,
        *,
        size: int = STATE_BYTES,
        pinned: bool = False,
        batched_kernel_mask: bool = False,
    ) -> Entry:
        """An ended prompt whose state is in RAM, computed by the kernel for many rows or for few."""
        entry = Entry(
            tokens=tokens,
            batched_kernel_mask=np.full(len(tokens), batched_kernel_mask, dtype=np.bool_),
            n_computed=len(tokens),
            pinned=pinned,
        )
        self.cache.add(entry, time.monotonic_ns())
        self.cache.keep(entry, state(size), time.monotonic_ns())
        return entry

    def store(self, tokens: Tokens, *, size: int = STATE_BYTES) -> Entry:
        """One whose state is on disk, too."""
        entry = self.keep(tokens, size=size)
        self.flush()
        return entry

    def flush(self) -> None:
        """What is in RAM is written, what nobody wants is deleted."""
        self.thread.flush(FLUSH_S)
        self.cache.check_integrity()

    def load(self, entry: Entry) -> bool:
        """Read an entry's file, as a request that hits it would; returns whether the state is in RAM then."""
        read: list[State | None] = []
        self.tier.read(entry, read.append)
        self.thread.run_once(0)
        [found] = read  # whoever waits for the file is told, whatever became of it
        if found is not None:
            self.cache.loaded(entry, found, time.monotonic_ns())
        self.cache.check_integrity()
        return self.ram.holds(entry)

    def files(self) -> list[Path]:
        """The files that are there."""
        return sorted(self.folder.glob("*.kv"))

    def on_disk(self, tokens: Tokens) -> Entry | None:
        """The entry that a prompt would be read from disk from."""
        return self.cache.find(np.append(tokens, 1).astype(np.int32), "").to_read[0]


def prompt(first: int, size: int = 100) -> Tokens:
    """Tokens that differ from those of any other `first` from the beginning."""
    return np.arange(first * 1000, first * 1000 + size, dtype=np.int32)


def state(size: int = STATE_BYTES) -> State:
    """Bytes that stand for a computed state."""
    return (np.arange(size) % 251).astype(np.uint8)
