"""The digest of a file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from gateway import sha256
from gateway.sha256 import file_sha256


@pytest.mark.parametrize(("size", "told"), [(0, []), (4, [0.5, 1.0]), (5, [0.4, 0.8, 1.0])])
def test_a_file_is_read_in_pieces(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    told: list[float],
) -> None:
    """The digest is that of the whole, and how much was read is told after each piece."""
    monkeypatch.setattr(sha256, "CHUNK_BYTES", 2)
    content, parts = bytes(range(size)), list[float]()
    path = tmp_path / "file"
    path.write_bytes(content)
    assert file_sha256(path, parts.append) == hashlib.sha256(content).hexdigest()
    assert parts == told
