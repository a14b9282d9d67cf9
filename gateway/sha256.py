"""The SHA-256 of a whole file, read piece by piece."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

CHUNK_BYTES = 8 * 2**20


def file_sha256(path: Path, progress: Callable[[float], None] = lambda _fraction: None) -> str:
    """The digest of a file's content in hex; `progress` is told the part that was read (0..1).

    Raises:
        OSError: it cannot be read.
    """
    size_bytes, digest, done = path.stat().st_size, hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            progress(done / size_bytes)
    return digest.hexdigest()
