"""One file of the disk tier: a prefix and its state.

It is a magic word, the header's length and checksum, a JSON header, the token ids, which kernel computed each
of them, the state. Its name ends in `.kv` only when it is whole. Nothing in it is believed before its
checksum was compared, and no length before it was compared with the file's: a damaged file must cost a count,
not the process.
"""

from __future__ import annotations

import hashlib
import os
import struct
import threading
from pathlib import Path
from typing import BinaryIO

import msgspec
import numpy as np

from gateway.engine.cache.entry import KernelMask, State, Tokens
from gateway.engine.cache.prefix_cache import MIN_STORED_TOKENS

FAMILY = b"FTKV"
MAGIC = FAMILY + b"2\n"
LENGTH = struct.Struct("<I")
CHECK_BYTES = 16
START_BYTES = len(MAGIC) + LENGTH.size + CHECK_BYTES
MAX_HEADER_BYTES = 64 * 1024
TOKEN_BYTES = 5
"""Of one token in a file, without its state: the id, and which kernel computed it."""


HEADER_BYTES = 1024
"""More than a header of ours takes."""


class DiskKey(msgspec.Struct, frozen=True):
    """What a state belongs to."""

    model_digest: str
    build: str
    kv_type_k: str
    kv_type_v: str
    streams: int

    @property
    def name(self) -> str:
        """A short name of it: that of its folder, which people type."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:16]

    def folder(self, root: Path) -> Path:
        """Where its files are, beside those of other keys of the same model."""
        return root / self.model_digest[:16] / self.name


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON header of a file; sizes are bytes. `checksum` is the state's, `tokens_checksum` that of what
    is before it.
    """

    key: DiskKey
    namespace: str
    tokens: int
    state_bytes: int
    checksum: str
    tokens_checksum: str
    pinned: bool = False


class DamagedError(Exception):
    """A file that is of no use; the text is the counted reason: corrupt, foreign or unreadable."""


def file_bytes(tokens: int, state: State) -> int:
    """How large the file of a state of so many tokens is at most."""
    return START_BYTES + HEADER_BYTES + TOKEN_BYTES * tokens + state.nbytes


def make_header(
    key: DiskKey,
    namespace: str,
    tokens: Tokens,
    batched_kernel_mask: KernelMask,
    state: State,
    *,
    pinned: bool,
) -> Header:
    """The header of a file with these."""
    return Header(
        key=key,
        namespace=namespace,
        tokens=len(tokens),
        state_bytes=state.nbytes,
        checksum=_checksum(state.data).hex(),
        tokens_checksum=_checksum(tokens.tobytes() + batched_kernel_mask.tobytes()).hex(),
        pinned=pinned,
    )


def write_file(path: Path, header: Header, tokens: Tokens, mask: KernelMask, state: State) -> int:
    """Write a whole file, or none; returns its bytes.

    Raises:
        OSError: it cannot be written.
    """
    partial = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.partial")
    encoded = msgspec.json.encode(header)
    try:
        partial.touch(mode=0o600)  # prompts can be read from it
        with partial.open("wb") as file:
            file.write(MAGIC + LENGTH.pack(len(encoded)) + _checksum(encoded) + encoded)
            file.write(tokens.tobytes())
            file.write(mask.tobytes())
            file.write(state.data)
        size = partial.stat().st_size
        partial.replace(path)
    except OSError:
        _remove_partial(partial)
        raise
    return size


def read_head(path: Path, key: DiskKey | None) -> tuple[Header, Tokens, KernelMask]:
    """Header and tokens of a file, their checksums verified.

    Raises:
        DamagedError: it is not whole, or of another key than this one.
    """
    try:
        with path.open("rb") as file:
            return _head(file, key)
    except OSError:
        raise DamagedError("unreadable") from None


def read_file(path: Path, key: DiskKey) -> State:
    """The state in a file, its checksum verified.

    Raises:
        DamagedError: it is not what was written.
    """
    try:
        with path.open("rb") as file:
            header, _tokens, _large = _head(file, key)
            state = np.fromfile(file, dtype=np.uint8, count=header.state_bytes)
    except OSError:
        raise DamagedError("unreadable") from None
    if state.nbytes != header.state_bytes or _checksum(state.data).hex() != header.checksum:
        raise DamagedError("corrupt")
    return state


def _head(file: BinaryIO, key: DiskKey | None) -> tuple[Header, Tokens, KernelMask]:
    """What is before the state, which comes next in the file."""
    size = os.fstat(file.fileno()).st_size
    header = _header(file, size)
    if key is not None and header.key != key:
        raise DamagedError("foreign")
    behind = TOKEN_BYTES * header.tokens + header.state_bytes
    if header.tokens < MIN_STORED_TOKENS or file.tell() + behind != size:
        raise DamagedError("corrupt")
    data = file.read(TOKEN_BYTES * header.tokens)
    if _checksum(data).hex() != header.tokens_checksum:
        raise DamagedError("corrupt")
    tokens = np.frombuffer(data, dtype=np.int32, count=header.tokens)
    return header, tokens, np.frombuffer(data, dtype=np.bool_, offset=4 * header.tokens)


def _header(file: BinaryIO, size: int) -> Header:
    start = file.read(START_BYTES)
    if len(start) < START_BYTES or not start.startswith(FAMILY):
        raise DamagedError("corrupt")
    if not start.startswith(MAGIC):
        raise DamagedError("foreign")  # another version's
    (length,) = LENGTH.unpack_from(start, len(MAGIC))
    if length > min(MAX_HEADER_BYTES, size - START_BYTES):
        raise DamagedError("corrupt")
    encoded = file.read(length)
    if _checksum(encoded) != start[-CHECK_BYTES:]:
        raise DamagedError("corrupt")
    try:
        return msgspec.json.decode(encoded, type=Header)
    except msgspec.MsgspecError:
        raise DamagedError("foreign") from None  # written as it is, by a version with other fields


def _remove_partial(partial: Path) -> None:
    try:
        partial.unlink(missing_ok=True)
    except OSError:
        return  # the error that led here is the one to tell; the next start tries again


def _checksum(data: bytes | memoryview) -> bytes:
    return hashlib.blake2b(data, digest_size=CHECK_BYTES).digest()
