"""The disk tier: which entry has which file. Pure: its thread (`gateway.engine.cache.disk.thread`) reads,
writes and deletes.

A file is one entry's, since files are named by what is in them.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from gateway.engine.cache.entry import Entry, State
from gateway.engine.cache.tiers.tier import sample_of
from telemetry.events import CacheSource, TierSample


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A whole file with one entry's state in it."""

    path: Path
    size_bytes: int


class DiskTier:
    """Files by entry and the other way round, and those that nobody wants any more.

    `off` says why there is no disk tier though there is a budget for it ("" if there is); `jobs` are what is
    to be read.
    """

    name = "disk"
    source = CacheSource.DISK
    direct = False

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self.size_bytes = 0
        self.off = ""
        self.jobs: queue.SimpleQueue[tuple[Entry, Callable[[State | None], None]]] = queue.SimpleQueue()
        self._files: dict[Entry, StoredFile] = {}
        self._owners: dict[Path, Entry] = {}
        self._unwanted: set[Path] = set()

    def holds(self, entry: Entry) -> bool:
        """Whether an entry has a file."""
        return entry in self._files

    def size(self, entry: Entry) -> int:
        """Bytes of an entry's file."""
        return self._files[entry].size_bytes

    def path(self, entry: Entry) -> Path | None:
        """An entry's file; None where it has none. Called from any thread."""
        file = self._files.get(entry)
        return None if file is None else file.path

    def state(self, _entry: Entry) -> State | None:
        """None: it must be read."""
        return None

    def hold(self, _entry: Entry, _state: State) -> bool:
        """False: what is worth a file was written before it is evicted from RAM."""
        return False

    def read(self, entry: Entry, then: Callable[[State | None], None]) -> None:
        """Have the thread read an entry's file and call back."""
        self.jobs.put((entry, then))

    def hand_over(self, entry: Entry, successor: Entry) -> None:
        """A file is another entry's, as it is."""
        file = self._files[entry]
        self.give(successor, file.path, file.size_bytes)

    def give(self, entry: Entry, path: Path, size_bytes: int) -> Entry | None:
        """A file is this entry's now; returns who had it before, and has it no longer."""
        before = self._owners.get(path)
        if before is not None:
            self._take(before)
        self.drop(entry)
        self._owners[path] = entry
        self._files[entry] = StoredFile(path, size_bytes)
        self.size_bytes += size_bytes
        self._unwanted.discard(path)
        return None if before is entry else before

    def drop(self, entry: Entry) -> None:
        """An entry's file, if it has one, is not wanted any more."""
        file = self._files.get(entry)
        if file is not None:
            self._unwanted.add(file.path)
            self._take(entry)

    def evict(self, entry: Entry) -> None:
        """The same; it is not written again before it was used again."""
        entry.too_poor = True
        self.drop(entry)

    def refuse(self, path: Path) -> Entry | None:
        """A file that was just written is not wanted; returns whose file it has replaced."""
        self._unwanted.add(path)
        owner = self._owners.get(path)
        if owner is not None:
            self._take(owner)
        return owner

    def unwanted(self) -> list[Path]:
        """Files to be removed, each of them told once."""
        paths, self._unwanted = list(self._unwanted), set()
        return paths

    def turn_off(self, reason: str) -> list[Entry]:
        """Have no files any more, and leave them where they are, since they could not be removed either;
        returns who had one.
        """
        self.budget_bytes, self.off = 0, reason
        owners = list(self._files)
        for entry in owners:
            self._take(entry)
        self._unwanted.clear()
        return owners

    def sample(self, _entries: Iterable[Entry]) -> TierSample:
        """Entries, bytes and tokens on disk."""
        return sample_of(self, self._files)

    def check_integrity(self, entries: Collection[Entry]) -> None:
        """Raise AssertionError unless files and owners agree, and every file is a known entry's."""
        owners = {file.path: entry for entry, file in self._files.items()}
        assert owners == self._owners, "an entry has a file that is not its own, or a file has no entry"
        assert self._files.keys() <= set(entries), "a file is that of an entry that is not known"
        held = sum(file.size_bytes for file in self._files.values())
        assert self.size_bytes == held, "bytes on disk are miscounted"
        assert not self._unwanted & set(self._owners), "a file that somebody has is to be removed"

    def _take(self, entry: Entry) -> None:
        file = self._files.pop(entry)
        del self._owners[file.path]
        self.size_bytes -= file.size_bytes
