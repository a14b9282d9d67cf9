"""Databases at the newest revision: a new SQLite file, or a new database of one PostgreSQL server."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from telemetry.store import migrate
from tests.store.postgres import postgres

_names = itertools.count()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A running PostgreSQL server."""
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each database in turn, with our tables."""
    found = f"sqlite+aiosqlite:///{tmp_path / 'firsttoken.db'}" if request.param == "sqlite" else _database(request)
    migrate.upgrade(found)
    return found


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    """A new SQLite file with our tables."""
    found = f"sqlite+aiosqlite:///{tmp_path / 'firsttoken.db'}"
    migrate.upgrade(found)
    return found


def _database(request: pytest.FixtureRequest) -> str:
    server, name = request.getfixturevalue("postgres_url"), f"test{next(_names)}"
    asyncio.run(_create(server, name))
    return make_url(server).set(database=name).render_as_string(hide_password=False)


async def _create(server: str, name: str) -> None:
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0")
    await engine.dispose()
