"""The disk tier's thread: prefix states that survive a restart are read, written and deleted here, and
nowhere else.

Its files (`file.py`) belong to one model file, llama.cpp build, pair of KV types and number of streams: one
folder each (`folders.py`). It is optional: when the disk fails, the tier is off, with a reason, and is tried
again later; requests never notice but by what they have to compute.
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

from gateway.engine.cache.disk import folders
from gateway.engine.cache.disk.file import (
    DamagedError,
    DiskKey,
    file_bytes,
    make_header,
    read_file,
    read_head,
    write_file,
)
from gateway.engine.cache.disk.folders import About
from gateway.engine.cache.entry import Entry, State
from gateway.engine.cache.prefix_cache import PrefixCache
from gateway.engine.cache.tiers.disk import DiskTier
from telemetry.events import CacheReason

log = logging.getLogger(__name__)

MIN_WRITTEN_TOKENS = 64
"""Shorter prefixes are computed again faster than it is worth keeping files for."""

WRITE_AFTER_S = 1.0
"""An entry is written when it was not used for this long: the next turn of its chat would replace it."""

CHECK_S = 60.0
"""A tier with nothing to do checks this often what the others leave it; one that is off is tried again after
this long.
"""

MAX_RETRY_S = 3600.0
"""Each time in a row that a tier is off, it is left alone for twice as long, up to this."""


class DiskThread:
    """Writes, reads and removes the files of one `DiskKey`, and tells tier and cache. `model` is its name,
    for people.
    """

    def __init__(self, root: Path, key: DiskKey, tier: DiskTier, cache: PrefixCache, model: str = "") -> None:
        self._root = root
        self._key = key
        self._tier = tier
        self._cache = cache
        self._about = About(key, model)
        self._folder = key.folder(root)
        self._budget_bytes = tier.budget_bytes
        self._files = threading.Lock()
        self._held: BinaryIO | None = None
        self._checked_at = time.monotonic()
        self._retry_s = CHECK_S

    @property
    def off(self) -> str:
        """Why there is no disk tier now though there is a budget for it; "" if there is."""
        return self._tier.off

    def open(self) -> None:
        """Make files of earlier processes known; what is left of interrupted writes goes. Where the disk does
        not allow it, the tier is off.
        """
        if self._budget_bytes:
            self._guarded(self._open)

    def run(self) -> None:
        """The thread: for ever. Loads come first; writes happen while there is nothing to load."""
        while True:
            self.run_once(WRITE_AFTER_S)

    def run_once(self, wait_s: float) -> None:
        """Do what is asked for within so many seconds; if nothing is, delete and write."""
        with contextlib.suppress(queue.Empty):
            self._load(*self._tier.jobs.get(timeout=wait_s))
            return
        if self._budget_bytes:
            self._guarded(self._maintain)

    def flush(self, timeout_s: float) -> None:
        """Write what is not written, for as long as there is time; called when the engine stops."""
        if self._budget_bytes and not self._tier.off:
            self._guarded(lambda: self._flush(time.monotonic() + timeout_s))

    def close(self) -> None:
        """Let others have the folder, which the end of the process does as well."""
        if self._held is not None:
            self._held.close()

    def turn_off(self, reason: str) -> None:
        """Have no disk tier any more, and say why; it is tried again later."""
        if reason != self._tier.off:
            cause = f"since its folder cannot be used ({reason})"
            log.warning("the prefix cache's disk tier is off, %s; the model is served without it", cause)
        with self._cache.lock:
            if not self._tier.off:
                self._cache.discarded["disk_off"] += 1
            for entry in self._tier.turn_off(reason):
                self._cache.lost(entry, self._tier, time.monotonic_ns())
        self._checked_at, self._retry_s = time.monotonic(), min(MAX_RETRY_S, 2 * self._retry_s)

    def _guarded(self, work: Callable[[], object]) -> None:
        """Whatever goes wrong with the disk turns the tier off: the model is served without it."""
        try:
            work()
        except OSError as error:
            self.turn_off(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""))
        except Exception as error:
            log.exception("the prefix cache's disk tier failed")
            self.turn_off(repr(error))

    def _open(self) -> None:
        with self._files:
            self._hold()
            folders.remove_remains(self._root)
            self._make_room(0)
            for partial in self._folder.glob("*.partial"):
                partial.unlink(missing_ok=True)
            for path in sorted(self._folder.glob("*.kv")):
                self._adopt(path)
            for path in self._folder.parent.glob("*/*.kv"):
                if path.parent != self._folder:
                    self._note_other_type(path)
            self._delete()
            if self._tier.off:
                log.warning("the prefix cache's disk tier is tried again")
                self._tier.off = ""

    def _hold(self) -> None:
        held = folders.hold(self._folder, self._about)
        self.close()
        self._held = held

    def _maintain(self) -> None:
        checked_s = time.monotonic() - self._checked_at
        if self._tier.off:
            if checked_s >= self._retry_s:
                self._open()
            return
        with self._files:
            if checked_s >= CHECK_S:
                self._make_room(0)
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

    def _make_room(self, need_bytes: int) -> None:
        """Let the tier have what the folders of other keys leave it."""
        self._checked_at = time.monotonic()
        room = folders.make_room(self._root, self._folder, self._budget_bytes, need_bytes)
        self._cache.limit(self._tier, room, time.monotonic_ns())

    def _load(self, entry: Entry, then: Callable[[State | None], None]) -> None:
        """Read an entry's file, unless somebody else had it read meanwhile, and call back."""
        path, state = self._tier.path(entry), None
        try:
            if path is not None and self._cache.state(entry) is None:
                state = read_file(path, self._key)
                with contextlib.suppress(OSError):
                    path.touch()  # its last use, for the next process and for whoever looks for room
        except DamagedError as error:
            self._cache.discard(entry, self._tier, str(error), time.monotonic_ns())
        except MemoryError:
            log.warning("there is no memory to read %s from the prefix cache", path)
        finally:
            then(state)

    def _write_one(self, idle_since_ns: int) -> bool:
        """Write one entry; returns whether there was one."""
        unwritten = self._cache.unwritten(self._tier, idle_since_ns)
        waiting = [entry for entry in unwritten if entry.stored_tokens >= MIN_WRITTEN_TOKENS]
        if not waiting:
            return False
        entry = max(waiting, key=lambda one: one.used_ns)
        state = self._cache.state(entry)
        if state is not None:
            self._make_room(file_bytes(entry.stored_tokens, state))
            self._delete()
            self._write(entry)
        return True

    def _write(self, entry: Entry) -> None:
        state = self._cache.state(entry)
        if state is None:
            return  # evicted a moment ago
        tokens, mask = entry.tokens[: entry.stored_tokens], entry.batched_kernel_mask[: entry.stored_tokens]
        name = hashlib.sha256(entry.namespace.encode() + b"\n" + tokens.tobytes()).hexdigest()[:32]
        path = self._folder / f"{name}.kv"
        header = make_header(self._key, entry.namespace, tokens, mask, state, pinned=entry.pinned)
        try:
            size_bytes = write_file(path, header, tokens, mask, state)
        except FileNotFoundError:  # somebody has removed the folder
            self._hold()
            size_bytes = write_file(path, header, tokens, mask, state)
        self._note_written(entry, path, size_bytes)
        self._retry_s = CHECK_S

    def _note_written(self, entry: Entry, path: Path, size_bytes: int) -> None:
        """A file is there now; its entry may have lost its copy in RAM, or everything, meanwhile."""
        now_ns = time.monotonic_ns()
        with self._cache.lock:
            if self._cache.knows(entry) and entry.stored_tokens and self._tier.budget_bytes:
                before = self._tier.give(entry, path, size_bytes)
                self._cache.gained(entry, before, now_ns, covering=True)
            else:
                self._cache.lost(self._tier.refuse(path), self._tier, now_ns)

    def _delete(self) -> None:
        with self._cache.lock:
            unwanted = self._tier.unwanted()
        for path in unwanted:
            path.unlink(missing_ok=True)

    def _adopt(self, path: Path) -> None:
        """Make a file known that an earlier process left, or an entry in RAM had before the tier was off."""
        try:
            header, tokens, mask = read_head(path, self._key)
        except DamagedError as error:
            self._cache.discarded[str(error)] += 1
            path.unlink(missing_ok=True)
            return
        stat = path.stat()
        age_ns = max(0, int((time.time() - stat.st_mtime) * 1e9))
        entry = Entry(
            tokens,
            header.namespace,
            batched_kernel_mask=mask,
            stored_tokens=header.tokens,
            pinned=header.pinned,
        )
        with self._cache.lock:
            entry = self._cache.known_twin(entry, time.monotonic_ns() - age_ns)
            before = self._tier.give(entry, path, stat.st_size)
            self._cache.gained(entry, before, time.monotonic_ns())

    def _note_other_type(self, path: Path) -> None:
        """The same prompt is there for another KV type or build: worth a word to whoever sends it again."""
        with contextlib.suppress(DamagedError):
            header, tokens, _mask = read_head(path, None)
            if (header.key.kv_type_k, header.key.kv_type_v) != (self._key.kv_type_k, self._key.kv_type_v):
                memory = Entry(tokens, header.namespace)
                self._cache.remember(memory, CacheReason.KV_TYPE_CHANGED, time.monotonic_ns())
