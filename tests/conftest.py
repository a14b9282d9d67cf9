"""Fixtures that tests of every area may use."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from telemetry.store import migrate
from tests import watchdog
from tests.e2e import serving
from tests.e2e.serving import FakeServed, Served
from tests.parallel import Scheduler, is_alone
from tests.selection import mark_slow
from tests.store.postgres import PostgresServer, postgres, postgres_server
from tests.store.templates import new_database

settings.register_profile("firsttoken", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("firsttoken")  # how fast the machine is just now is not what these tests assert

_names = itertools.count()


def pytest_configure(config: pytest.Config) -> None:
    """Nothing that a test starts outlives the run."""
    config.stash[WATCHDOG] = watchdog.guard()


def pytest_unconfigure(config: pytest.Config) -> None:
    dog = config.stash[WATCHDOG]
    assert dog.stdin is not None
    dog.stdin.close()
    dog.wait()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_slow(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduler:
    """How tests are divided among workers."""
    return Scheduler(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """An engine beside other tests computes with one thread: see `tests.parallel`."""
    shared = hasattr(item.config, "workerinput") and not is_alone(item.nodeid)
    serving.beside = {"FIRSTTOKEN_ENGINE_THREADS": "1"} if shared else {}


WATCHDOG: pytest.StashKey[subprocess.Popen[bytes]] = pytest.StashKey()


@pytest.fixture
def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    return serving.free_port()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running gateway."""
    served = Served(
        tmp_path_factory.mktemp("served"), "--engine-n-ctx", "2048", "--server-max-queue", "16"
    ).start()
    yield served
    assert served.stop() == 0


@pytest.fixture(scope="session")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServed]:
    """A running gateway with a fake engine, whose limits on bodies are short."""
    flags = [
        "--server-body-timeout-s",
        "4",
        "--server-max-bodies",
        "12",
        "--server-max-bodies-bytes",
        str(24 * 2**20),
    ]
    served = FakeServed(tmp_path_factory.mktemp("door"), *flags).start()
    yield served
    assert served.stop() == 0


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Makes gateways of a test's own, all with one home folder; none outlives the test."""
    launched: list[Served] = []

    def make(*flags: str, env: dict[str, str] | None = None) -> Served:
        launched.append(Served(tmp_path / "home", *flags, env=env))
        return launched[-1]

    yield make
    for served in launched:
        served.kill()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A running PostgreSQL server."""
    with postgres() as url:
        yield url


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server that a test may restart or freeze."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each database in turn, with our tables."""
    if request.param == "sqlite":
        return new_database(tmp_path / "firsttoken.db")
    return _database(request, request.getfixturevalue("migrated_postgres"))


@pytest.fixture(scope="session")
def migrated_postgres(postgres_url: str) -> str:
    """The name of a PostgreSQL database with our tables, which others are copied from."""
    asyncio.run(_create(postgres_url, "migrated", "template0"))
    migrate.upgrade(make_url(postgres_url).set(database="migrated").render_as_string(hide_password=False))
    return "migrated"


@pytest.fixture
def empty_postgres(request: pytest.FixtureRequest) -> str:
    """A new PostgreSQL database without tables."""
    return _database(request, "template0")


def _database(request: pytest.FixtureRequest, template: str) -> str:
    server, name = request.getfixturevalue("postgres_url"), f"test{next(_names)}"
    asyncio.run(_create(server, name, template))
    return make_url(server).set(database=name).render_as_string(hide_password=False)


async def _create(server: str, name: str, template: str) -> None:
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    await engine.dispose()
