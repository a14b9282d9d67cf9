"""The disk tier: prefix states that survive a restart. Reading and writing happen on a thread of its own.

A file is a magic word, the header's length, a JSON header, the token ids, the state. Its name ends in `.kv` only when it
is whole; its checksum is over everything behind the header. It belongs to one model file, llama.cpp build, KV type and
adapter: one folder each.
"""

from __future__ import annotations

import contextlib
import hashlib
import queue
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from gateway.engine.cache.entry import Entry, Kernels, State, Tokens
from gateway.engine.cache.prefix_cache import MIN_STORED_TOKENS, PrefixCache
from telemetry.events import CacheReason

MAGIC = b"FTKV1\n"
LENGTH = struct.Struct("<I")
MAX_HEADER_BYTES = 64 * 1024
MIN_WRITTEN_TOKENS = 64
"""Shorter prefixes are computed again faster than it is worth keeping files for."""

WRITE_AFTER_S = 1.0
"""An entry is written when it was not used for this long: the next turn of its chat would replace it."""


class DiskKey(msgspec.Struct, frozen=True):
    """What a state belongs to."""

    model_digest: str
    build: str
    kv_type_k: str
    kv_type_v: str
    streams: int

    def folder(self, root: Path) -> Path:
        """Where its files are, beside those of other KV types of the same model."""
        own = hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:16]
        return root / self.model_digest[:16] / own


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON header of a file; sizes are bytes."""

    key: DiskKey
    namespace: str
    tokens: int
    state_bytes: int
    checksum: str
    pinned: bool = False


class DamagedError(Exception):
    """A file that is of no use; the text is the counted reason: corrupt, foreign or unreadable."""


class DiskTier:
    """Writes, reads and removes the files of one `DiskKey`, and tells the cache."""

    def __init__(self, root: Path, key: DiskKey, cache: PrefixCache) -> None:
        self._root = root
        self._key = key
        self._cache = cache
        self._folder = key.folder(root)
        self._jobs: queue.SimpleQueue[tuple[Entry, Callable[[], None]] | None] = queue.SimpleQueue()
        self._written = 0

    def open(self) -> None:
        """Make files of earlier processes known; what is left of interrupted writes goes."""
        if not self._cache.budget.disk_bytes:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        for partial in self._folder.glob("*.partial"):
            partial.unlink(missing_ok=True)
        for path in sorted(self._folder.glob("*.kv")):
            self._adopt(path)
        for path in self._folder.parent.glob("*/*.kv"):
            if path.parent != self._folder:
                self._note_other_type(path)

    def run(self) -> None:
        """The thread: for ever. Loads come first; writes happen while there is nothing to load."""
        while True:
            with contextlib.suppress(queue.Empty):
                job = self._jobs.get(timeout=WRITE_AFTER_S)
                if job is not None:
                    self._load(*job)
                continue
            self._delete()
            self._write_one(time.monotonic_ns() - int(WRITE_AFTER_S * 1e9))

    def load(self, entry: Entry, then: Callable[[], None]) -> None:
        """Read an entry's state into RAM, then call back, whether it worked or not."""
        self._jobs.put((entry, then))

    def flush(self, timeout_s: float) -> None:
        """Write what is not written, for as long as there is time; called when the engine stops."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self._write_one(time.monotonic_ns()):
            continue
        self._delete()

    def _load(self, entry: Entry, then: Callable[[], None]) -> None:
        path = entry.path
        try:
            if path is not None and entry.blob is None:
                self._cache.loaded(entry, read_file(path, self._key), time.monotonic_ns())
        except DamagedError as error:
            self._cache.discard(entry, str(error), time.monotonic_ns())
            self._delete()
        finally:
            then()

    def _write_one(self, idle_since_ns: int) -> bool:
        """Write one entry; returns whether there was one."""
        waiting = [entry for entry in self._cache.unwritten(idle_since_ns) if entry.blob_tokens >= MIN_WRITTEN_TOKENS]
        if not waiting:
            return False
        entry = max(waiting, key=lambda one: one.used_ns)
        state, tokens, large = entry.blob, entry.tokens[: entry.blob_tokens], entry.large[: entry.blob_tokens]
        if state is not None:
            self._write(entry, tokens, large, state)
        return True

    def _write(self, entry: Entry, tokens: Tokens, large: Kernels, state: State) -> None:
        name = hashlib.sha256(entry.namespace.encode() + b"\n" + tokens.tobytes()).hexdigest()[:32]
        path = self._folder / f"{name}.kv"
        header = Header(
            key=self._key,
            namespace=entry.namespace,
            tokens=len(tokens),
            state_bytes=state.nbytes,
            checksum=_checksum(tokens, large, state),
            pinned=entry.pinned,
        )
        try:
            size = write_file(path, header, tokens, large, state)
        except OSError:
            self._cache.unwritable(entry)
            return
        self._cache.written(entry, path, size, time.monotonic_ns())

    def _delete(self) -> None:
        while self._cache.deleted:
            self._cache.deleted.pop().unlink(missing_ok=True)

    def _adopt(self, path: Path) -> None:
        try:
            header, tokens, large = read_head(path, self._key)
        except DamagedError as error:
            self._cache.discarded[str(error)] += 1
            path.unlink(missing_ok=True)
            return
        stat = path.stat()
        age_ns = max(0, int((time.time() - stat.st_mtime) * 1e9))
        entry = Entry(tokens=tokens, large=large, namespace=header.namespace, path=path, disk_bytes=stat.st_size, blob_tokens=header.tokens)
        entry.pinned, entry.used_ns = header.pinned, time.monotonic_ns() - age_ns
        self._cache.found_on_disk(entry, time.monotonic_ns())

    def _note_other_type(self, path: Path) -> None:
        """The same prompt is there for another KV type or build: worth a word to whoever sends it again."""
        with contextlib.suppress(DamagedError):
            header, tokens, _large = read_head(path, None)
            if (header.key.kv_type_k, header.key.kv_type_v) != (self._key.kv_type_k, self._key.kv_type_v):
                memory = Entry(tokens=tokens, namespace=header.namespace)
                self._cache.remember(memory, CacheReason.KV_TYPE_CHANGED, time.monotonic_ns())


def write_file(path: Path, header: Header, tokens: Tokens, large: Kernels, state: State) -> int:
    """Write a whole file, or none; returns its bytes."""
    partial = path.with_suffix(f".{threading.get_ident()}.partial")
    encoded = msgspec.json.encode(header)
    try:
        with partial.open("wb") as file:
            file.write(MAGIC + LENGTH.pack(len(encoded)) + encoded)
            file.write(tokens.tobytes())
            file.write(large.tobytes())
            file.write(state.data)
        size = partial.stat().st_size
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return size


def read_head(path: Path, key: DiskKey | None) -> tuple[Header, Tokens, Kernels]:
    """Header and tokens of a file.

    Raises:
        DamagedError: it is not whole, or of another key than this one.
    """
    try:
        with path.open("rb") as file:
            header = _header(file.read(len(MAGIC) + LENGTH.size), file.read)
            if key is not None and header.key != key:
                raise DamagedError("foreign")
            tokens = np.frombuffer(file.read(4 * header.tokens), dtype=np.int32)
            large = np.frombuffer(file.read(header.tokens), dtype=np.bool_)
    except OSError:
        raise DamagedError("unreadable") from None
    if len(large) != header.tokens or header.tokens < MIN_STORED_TOKENS:
        raise DamagedError("corrupt")
    return header, tokens, large


def read_file(path: Path, key: DiskKey) -> State:
    """The state in a file, its checksum verified.

    Raises:
        DamagedError: it is not what was written.
    """
    header, tokens, large = read_head(path, key)
    try:
        with path.open("rb") as file:
            file.seek(-header.state_bytes, 2)
            state = np.fromfile(file, dtype=np.uint8)
    except OSError:
        raise DamagedError("unreadable") from None
    if state.nbytes != header.state_bytes or _checksum(tokens, large, state) != header.checksum:
        raise DamagedError("corrupt")
    return state


def _header(start: bytes, read: Callable[[int], bytes]) -> Header:
    if len(start) < len(MAGIC) + LENGTH.size or not start.startswith(MAGIC):
        raise DamagedError("corrupt")
    (length,) = LENGTH.unpack(start[len(MAGIC) :])
    if length > MAX_HEADER_BYTES:
        raise DamagedError("corrupt")
    try:
        return msgspec.json.decode(read(length), type=Header)
    except msgspec.MsgspecError:
        raise DamagedError("corrupt") from None


def _checksum(tokens: Tokens, large: Kernels, state: State) -> str:
    digest = hashlib.blake2b(tokens.tobytes() + large.tobytes(), digest_size=16)
    digest.update(state.data)
    return digest.hexdigest()
