"""Databases of the store's own tests; those of every test are in `tests.conftest`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.templates import new_database


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """A new SQLite file with our tables."""
    return new_database(tmp_path / "firsttoken.db")
