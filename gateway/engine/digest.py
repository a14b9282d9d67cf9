"""The model file's sha256, computed once per file: it names the model in every engine configuration."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from gateway.sha256 import file_sha256


def file_digest(path: Path, cache: Path, progress: Callable[[float], None] = lambda _fraction: None) -> str:
    """Hex sha256 of a file; `cache` (JSON) remembers it by path, size and time of change."""
    stat = path.stat()
    key = f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}"
    known = _read(cache)
    if key not in known:
        known[key] = file_sha256(path, progress)
        _write(cache, known)
    return known[key]


def _read(cache: Path) -> dict[str, str]:
    """The digests that were remembered; a missing or damaged cache only costs computing again."""
    try:
        known = json.loads(cache.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write(cache: Path, known: dict[str, str]) -> None:
    """Engines that load side by side each write a file of their own; one that cannot only computes again next
    time.
    """
    partial = cache.with_suffix(f".{os.getpid()}.partial")
    with contextlib.suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(known, indent=1))
        partial.replace(cache)
