"""Migrations are all or nothing: a process that is killed in the middle of them leaves what the next start
needs.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from telemetry.store import migrate
from tests.store import old_database
from tests.store.test_store import rows, url_of

KILLS = 30


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file of the first version, full of rows."""
    path = tmp_path_factory.mktemp("old") / "full.db"
    old_database.make(url_of(path), path)
    return path


@pytest.fixture(scope="module")
def nursery() -> Iterator[subprocess.Popen[str]]:
    """See `tests.store.old_database`."""
    command = [sys.executable, "-m", "tests.store.old_database"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.stdin.close()


def counts(path: Path) -> dict[str, object]:
    return {table: rows(path, f"SELECT count(*) FROM {table}")[0][0] for table in old_database.COUNTS}


def schema(path: Path) -> list[tuple[object, ...]]:
    return rows(
        path, "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name"
    )


def copy(full: Path, to: Path) -> Path:
    path = to / "firsttoken.db"
    for file in to.iterdir():
        file.unlink()
    shutil.copyfile(full, path)
    return path


def until_killed(nursery: subprocess.Popen[str], path: Path, seconds: float) -> str:
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    print(url_of(path), seconds, file=nursery.stdin, flush=True)
    return nursery.stdout.readline().strip()


def test_killed_at_any_moment(full: Path, nursery: subprocess.Popen[str], tmp_path: Path) -> None:
    """At 30 random instants from the first version to the newest, the database is of one or the other, whole,
    and the next start brings it up to date; nothing of it is lost.
    """
    folder = tmp_path / "home"
    folder.mkdir()
    path = copy(full, folder)
    before = schema(path)
    began = time.monotonic()
    assert until_killed(nursery, path, 60) == "done"
    whole_s = time.monotonic() - began
    after = schema(path)
    chance = random.Random(16)
    ends = []
    for _ in range(KILLS):
        path = copy(full, folder)
        ends.append(until_killed(nursery, path, chance.uniform(0, whole_s * 1.05)))
        assert schema(path) in (before, after)
        assert rows(path, "PRAGMA integrity_check") == [("ok",)]
        migrate.upgrade(url_of(path))
        assert (schema(path), counts(path)) == (after, old_database.COUNTS)
        assert migrate.current(url_of(path)) == migrate.head()
    assert ends.count("killed") >= KILLS // 2, "most were killed in the middle"


def test_a_migration_that_fails_leaves_nothing(full: Path, tmp_path: Path) -> None:
    """A step that cannot be done (its table is there already) takes the steps before it back."""
    path = copy(full, tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE request_delays (x INTEGER)")
    before = schema(path)
    with pytest.raises(DBAPIError, match="already exists"):
        migrate.upgrade(url_of(path))
    assert schema(path) == before
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE request_delays")
    migrate.upgrade(url_of(path))
    assert counts(path) == old_database.COUNTS


def test_the_server_takes_all_or_nothing(empty_postgres: str) -> None:
    """PostgreSQL likewise: the step that fails leaves the first version, and without its cause all of them
    are done.
    """
    old_database.make(empty_postgres, None)
    asyncio.run(execute(empty_postgres, "CREATE TABLE request_delays (x INTEGER)"))
    with pytest.raises(DBAPIError, match="already exists"):
        migrate.upgrade(empty_postgres)
    assert migrate.current(empty_postgres) == "0001"
    asyncio.run(execute(empty_postgres, "DROP TABLE request_delays"))
    migrate.upgrade(empty_postgres)
    assert migrate.current(empty_postgres) == migrate.head()


def test_a_newer_database_is_left_alone(url: str) -> None:
    """A revision that this version does not know: said, with the remedy, and nothing is changed."""
    asyncio.run(execute(url, "UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(migrate.StoreVersionError, match=r"newer version \(revision 9999.*store.url"):
        migrate.upgrade(url)
    assert migrate.current(url) == "9999"


async def execute(url: str, statement: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.exec_driver_sql(statement)
    await engine.dispose()
