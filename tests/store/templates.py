"""Databases at the newest revision by copying one: it is migrated once in a run. How migrations work is
`test_migrations`' business.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from telemetry.store import migrate


def new_database(file: Path) -> str:
    """Make an SQLite file with our tables and no rows; returns its URL."""
    file.touch(mode=0o600)
    file.write_bytes(_migrated())
    return url_of(file)


def url_of(file: Path) -> str:
    """The URL of an SQLite file."""
    return f"sqlite+aiosqlite:///{file}"


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory(prefix="firsttoken-template-") as folder:
        file = Path(folder) / "template.db"
        migrate.upgrade(url_of(file))
        assert list(Path(folder).iterdir()) == [file], "all of it is in the one file"
        return file.read_bytes()
