"""The disk tier: prefix states that survive a restart. Reading and writing happen on a thread of its own.

Its files (`disk_file.py`) belong to one model file, llama.cpp build, pair of KV types and number of streams: one folder each
(`folders.py`). It is optional: when the disk fails, the tier is off, with a reason, and is tried again later; requests
never notice but by what they have to compute.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from gateway.engine.cache import folders
from gateway.engine.cache.disk_file import DamagedError, DiskKey, file_bytes, make_header, read_file, read_head, write_file
from gateway.engine.cache.entry import Entry
from gateway.engine.cache.folders import About
from gateway.engine.cache.prefix_cache import PrefixCache
from telemetry.events import CacheReason

log = logging.getLogger(__name__)

MIN_WRITTEN_TOKENS = 64
"""Shorter prefixes are computed again faster than it is worth keeping files for."""

WRITE_AFTER_S = 1.0
"""An entry is written when it was not used for this long: the next turn of its chat would replace it."""

LOOK_S = 60.0
"""A tier with nothing to do looks this often at what the others leave it; one that is off is tried again after this long."""

MOST_RETRY_S = 3600.0
"""Each time in a row that a tier is off, it is left alone for twice as long, up to this."""


class DiskTier:
    """Writes, reads and removes the files of one `DiskKey`, and tells the cache. `model` is its name, for people."""

    def __init__(self, root: Path, key: DiskKey, cache: PrefixCache, model: str = "") -> None:
        self._root = root
        self._key = key
        self._cache = cache
        self._about = About(key, model)
        self._folder = key.folder(root)
        self._budget_bytes = cache.budget.disk_bytes
        self._jobs: queue.SimpleQueue[tuple[Entry, Callable[[], None]] | None] = queue.SimpleQueue()
        self._files = threading.Lock()
        self._held: BinaryIO | None = None
        self._looked_at = time.monotonic()
        self._retry_s = LOOK_S

    def open(self) -> None:
        """Make files of earlier processes known; what is left of interrupted writes goes. Where the disk does not allow it, the
        tier is off.
        """
        if self._budget_bytes:
            self._guarded(self._open)

    def run(self) -> None:
        """The thread: for ever. Loads come first; writes happen while there is nothing to load."""
        while True:
            self.turn(WRITE_AFTER_S)

    def turn(self, wait_s: float) -> None:
        """Do what is asked for within so many seconds; if nothing is, delete and write."""
        with contextlib.suppress(queue.Empty):
            job = self._jobs.get(timeout=wait_s)
            if job is not None:
                self._load(*job)
            return
        if self._budget_bytes:
            self._guarded(self._keep_house)

    def load(self, entry: Entry, then: Callable[[], None]) -> None:
        """Read an entry's state into RAM, then call back, whether it worked or not."""
        self._jobs.put((entry, then))

    def flush(self, timeout_s: float) -> None:
        """Write what is not written, for as long as there is time; called when the engine stops."""
        if self._budget_bytes and not self._cache.disk_off:
            self._guarded(lambda: self._flush(time.monotonic() + timeout_s))

    def close(self) -> None:
        """Let others have the folder, which the end of the process does as well."""
        if self._held is not None:
            self._held.close()

    def _guarded(self, work: Callable[[], object]) -> None:
        """Whatever goes wrong with the disk turns the tier off: the model is served without it."""
        try:
            work()
        except OSError as error:
            self._turn_off(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""))
        except Exception as error:
            log.exception("the prefix cache's disk tier failed")
            self._turn_off(repr(error))

    def _turn_off(self, reason: str) -> None:
        if reason != self._cache.disk_off:
            log.warning("the prefix cache's disk tier is off, since its folder cannot be used (%s); the model is served without it", reason)
        self._cache.turn_disk_off(reason, time.monotonic_ns())
        self._looked_at, self._retry_s = time.monotonic(), min(MOST_RETRY_S, 2 * self._retry_s)

    def _open(self) -> None:
        with self._files:
            self._hold()
            folders.remove_remains(self._root)
            self._cache.limit_disk(self._room(0), time.monotonic_ns())
            for partial in self._folder.glob("*.partial"):
                partial.unlink(missing_ok=True)
            for path in sorted(self._folder.glob("*.kv")):
                self._adopt(path)
            for path in self._folder.parent.glob("*/*.kv"):
                if path.parent != self._folder:
                    self._note_other_type(path)
            self._delete()
            if self._cache.disk_off:
                log.warning("the prefix cache's disk tier is tried again")
                self._cache.disk_off = ""

    def _hold(self) -> None:
        held = folders.hold(self._folder, self._about)
        self.close()
        self._held = held

    def _keep_house(self) -> None:
        looked_s = time.monotonic() - self._looked_at
        if self._cache.disk_off:
            if looked_s >= self._retry_s:
                self._open()
            return
        with self._files:
            if looked_s >= LOOK_S:
                self._cache.limit_disk(self._room(0), time.monotonic_ns())
            self._delete()
            self._write_one(time.monotonic_ns() - int(WRITE_AFTER_S * 1e9))

    def _flush(self, deadline: float) -> None:
        if not self._files.acquire(timeout=max(0.0, deadline - time.monotonic())):
            return
        try:
            while time.monotonic() < deadline and self._write_one(time.monotonic_ns()):
                continue
            self._delete()
        finally:
            self._files.release()

    def _room(self, need_bytes: int) -> int:
        self._looked_at = time.monotonic()
        return folders.make_room(self._root, self._folder, self._budget_bytes, need_bytes)

    def _load(self, entry: Entry, then: Callable[[], None]) -> None:
        path = entry.path
        try:
            if path is not None and entry.blob is None:
                self._cache.loaded(entry, read_file(path, self._key), time.monotonic_ns())
                with contextlib.suppress(OSError):
                    path.touch()  # its last use, for the next process and for whoever looks for room
        except DamagedError as error:
            self._cache.discard(entry, str(error), time.monotonic_ns())
        except MemoryError:
            log.warning("there is no memory to read %s from the prefix cache", path)
        finally:
            then()

    def _write_one(self, idle_since_ns: int) -> bool:
        """Write one entry; returns whether there was one."""
        waiting = [entry for entry in self._cache.unwritten(idle_since_ns) if entry.blob_tokens >= MIN_WRITTEN_TOKENS]
        if not waiting:
            return False
        entry = max(waiting, key=lambda one: one.used_ns)
        if entry.blob is not None:
            self._cache.limit_disk(self._room(file_bytes(entry.blob_tokens, entry.blob)), time.monotonic_ns())
            self._delete()
            self._write(entry)
        return True

    def _write(self, entry: Entry) -> None:
        state, tokens, batched_kernel_mask = entry.blob, entry.tokens[: entry.blob_tokens], entry.batched_kernel_mask[: entry.blob_tokens]
        if state is None:
            return  # evicted a moment ago
        name = hashlib.sha256(entry.namespace.encode() + b"\n" + tokens.tobytes()).hexdigest()[:32]
        path = self._folder / f"{name}.kv"
        header = make_header(self._key, entry.namespace, tokens, batched_kernel_mask, state, pinned=entry.pinned)
        try:
            size = write_file(path, header, tokens, batched_kernel_mask, state)
        except FileNotFoundError:  # somebody has removed the folder
            self._hold()
            size = write_file(path, header, tokens, batched_kernel_mask, state)
        self._cache.written(entry, path, size, time.monotonic_ns())
        self._retry_s = LOOK_S

    def _delete(self) -> None:
        for path in self._cache.unwanted():
            path.unlink(missing_ok=True)

    def _adopt(self, path: Path) -> None:
        try:
            header, tokens, batched_kernel_mask = read_head(path, self._key)
        except DamagedError as error:
            self._cache.discarded[str(error)] += 1
            path.unlink(missing_ok=True)
            return
        stat = path.stat()
        age_ns = max(0, int((time.time() - stat.st_mtime) * 1e9))
        entry = Entry(tokens=tokens, batched_kernel_mask=batched_kernel_mask, namespace=header.namespace, blob_tokens=header.tokens)
        entry.pinned, entry.used_ns = header.pinned, time.monotonic_ns() - age_ns
        self._cache.found_on_disk(entry, path, stat.st_size, time.monotonic_ns())

    def _note_other_type(self, path: Path) -> None:
        """The same prompt is there for another KV type or build: worth a word to whoever sends it again."""
        with contextlib.suppress(DamagedError):
            header, tokens, _large = read_head(path, None)
            if (header.key.kv_type_k, header.key.kv_type_v) != (self._key.kv_type_k, self._key.kv_type_v):
                memory = Entry(tokens=tokens, namespace=header.namespace)
                self._cache.remember(memory, CacheReason.KV_TYPE_CHANGED, time.monotonic_ns())
