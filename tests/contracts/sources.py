"""Our own source files: what the contract tests look at."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("gateway", "telemetry", "dashboard", "migrations", "grafana", "tests", "bench", "docs")
VENDORED = ("dashboard/static/vendor/",)


@cache
def own_files(*suffixes: str, folders: tuple[str, ...] = FOLDERS) -> tuple[Path, ...]:
    """Files of ours with these suffixes, as paths from the root; vendored ones and caches are not ours."""
    found = (
        path.relative_to(ROOT)
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in suffixes
    )
    return tuple(sorted(path for path in found if _is_ours(path)))


def _is_ours(path: Path) -> bool:
    text = path.as_posix()
    hidden = any(part.startswith(".") or part == "__pycache__" for part in path.parts)
    return not hidden and ".min." not in path.name and not text.startswith(VENDORED)


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, by its full dotted name, and where it stands."""

    path: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.module}"


def imports_of(path: Path, source: str) -> Iterator[Import]:
    """Every import of a file, lazy ones and those for type checking included.

    `from a import b` gives `a.b` too, because b may be a module.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (Import(path, node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(path, node)
            yield Import(path, node.lineno, base)
            yield from (Import(path, node.lineno, f"{base}.{alias.name}") for alias in node.names)


def _absolute(path: Path, node: ast.ImportFrom) -> str:
    """The dotted name of the module that a `from` import names, relative ones resolved."""
    if not node.level:
        return node.module or ""
    package = path.parent.parts[: len(path.parent.parts) - node.level + 1]
    return ".".join((*package, *((node.module,) if node.module else ())))


@cache
def all_imports() -> tuple[Import, ...]:
    """The imports of all our Python files."""
    return tuple(
        found
        for path in own_files(".py")
        for found in imports_of(path, (ROOT / path).read_text(encoding="utf-8"))
    )
