"""Sites with a temporary database, and a client that speaks to them in process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from litestar import Litestar
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.dashboard.chats import fill_chats
from tests.dashboard.sample_rollups import fill_rollups
from tests.dashboard.samples import OBJECTIVES, fill_requests, ready_engine
from tests.dashboard.site import SETTINGS, Site, empty_database

T = TypeVar("T")


class Pages:
    """One event loop and one site; tests stay plain functions."""

    def __init__(self, path: Path, database: bytes) -> None:
        path.write_bytes(database)
        self.loop = asyncio.new_event_loop()
        self.site = Site(create_async_engine(f"sqlite+aiosqlite:///{path}"))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine."""
        return self.loop.run_until_complete(work)

    def get(self, url: str, app: Litestar | None = None, **headers: str) -> httpx.Response:
        """Ask the site (or this application of it) for `/dashboard` + url."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app or self.site.app())  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await client.get(
                    f"/dashboard{url}",
                    headers={name.replace("_", "-"): value for name, value in headers.items()},
                )

        return self.run(ask())

    def close(self) -> None:
        """Release the database and the loop."""
        self.run(self.site.engine.dispose())
        self.run(self.loop.shutdown_asyncgens())
        self.loop.close()


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database file without rows: made once, and copied for each test."""
    return asyncio.run(_store(tmp_path_factory.mktemp("stores") / "empty.db"))


@pytest.fixture(scope="session")
def filled_store(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database file with requests and statistics."""
    return asyncio.run(
        _store(tmp_path_factory.mktemp("stores") / "filled.db", fill_requests, fill_rollups, fill_chats)
    )


async def _store(path: Path, *fill: Callable[[AsyncEngine], Awaitable[None]]) -> bytes:
    engine = await empty_database(path)
    for one in fill:
        await one(engine)
    await engine.dispose()
    return path.read_bytes()


@pytest.fixture
def pages(tmp_path: Path, empty_store: bytes) -> Iterator[Pages]:
    """A site without any request, engine or statistic."""
    made = Pages(tmp_path / "store.db", empty_store)
    yield made
    made.close()


@pytest.fixture
def busy(tmp_path: Path, filled_store: bytes) -> Iterator[Pages]:
    """A site with requests, statistics and a ready engine."""
    pages = Pages(tmp_path / "store.db", filled_store)
    ready_engine(pages.site.sink)
    pages.site.objectives = OBJECTIVES
    pages.site.settings = SETTINGS
    yield pages
    pages.close()
