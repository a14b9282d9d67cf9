"""Databases of the store's own tests; those of every test are in `tests.conftest`."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.store import migrate


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """A new SQLite file with our tables."""
    found = f"sqlite+aiosqlite:///{tmp_path / 'firsttoken.db'}"
    migrate.upgrade(found)
    return found
