"""Which entry has which file of the disk tier: one entry per file, since files are named by what is in them."""

from __future__ import annotations

from pathlib import Path

from gateway.engine.cache.entry import Entry


class Files:
    """Owners and bytes, and the files that nobody wants any more. Not thread-safe: the cache that owns it has the lock."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._owners: dict[Path, Entry] = {}
        self._unwanted: set[Path] = set()

    def give(self, entry: Entry, path: Path, size_bytes: int) -> Entry | None:
        """A file is this entry's now; returns who had it before, and has it no longer."""
        before = self._owners.get(path)
        if before is not None:
            self._take(before)
        if entry.path is not None:
            self.drop(entry)
        self._owners[path] = entry
        entry.path, entry.disk_bytes = path, size_bytes
        self.size_bytes += size_bytes
        self._unwanted.discard(path)
        return None if before is entry else before

    def drop(self, entry: Entry) -> None:
        """An entry's file is not wanted any more."""
        if entry.path is not None:
            self._unwanted.add(entry.path)
            self._take(entry)

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

    def abandon(self) -> list[Entry]:
        """Have no files any more, and leave them where they are; returns who had one."""
        owners = list(self._owners.values())
        for entry in owners:
            self._take(entry)
        self._unwanted.clear()
        return owners

    def check_integrity(self, entries: list[Entry]) -> None:
        """Raise AssertionError unless entries and files agree."""
        having = {entry.path: entry for entry in entries if entry.path is not None}
        assert having == self._owners, "an entry has a file that is not its own, or a file has no entry"
        assert self.size_bytes == sum(entry.disk_bytes for entry in entries), "bytes on disk are miscounted"
        assert not self._unwanted & set(self._owners), "a file that somebody has is to be removed"

    def _take(self, entry: Entry) -> None:
        assert entry.path is not None
        del self._owners[entry.path]
        self.size_bytes -= entry.disk_bytes
        entry.path, entry.disk_bytes = None, 0
