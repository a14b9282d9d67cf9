"""Files: short, and named after what they are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.contracts.sources import ROOT, own_files

MAX_LINES = 300
FORBIDDEN_NAMES = frozenset({"utils", "util", "helpers", "helper", "common", "misc", "stuff"})


@pytest.mark.parametrize("path", own_files(".py", ".html", ".css"), ids=str)
def test_file_is_short(path: Path) -> None:
    """A file of ours has fewer than 300 lines."""
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) < MAX_LINES


def test_names_say_what_is_inside() -> None:
    """No file or folder is named after nothing in particular."""
    named = {
        path: {part.removesuffix(path.suffix) for part in path.parts}
        for path in own_files(".py", ".html", ".css", ".js")
    }
    assert not [str(path) for path, parts in named.items() if parts & FORBIDDEN_NAMES]


def test_modules_say_what_they_own() -> None:
    """Every Python file that has something in it begins with a docstring."""
    sources = {path: (ROOT / path).read_text(encoding="utf-8") for path in own_files(".py")}
    assert not [
        str(path)
        for path, source in sources.items()
        if source.strip() and not ast.get_docstring(ast.parse(source))
    ]
