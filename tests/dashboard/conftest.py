"""Sites with a temporary database, and a client that speaks to them in process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from litestar import Litestar

from tests.dashboard.chats import fill_chats
from tests.dashboard.samples import OBJECTIVES, fill_requests, fill_rollups, ready_engine
from tests.dashboard.site import SETTINGS, Site, empty_database

T = TypeVar("T")


class Pages:
    """One event loop and one site; tests stay plain functions."""

    def __init__(self, path: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.site = Site(self.run(empty_database(path)))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine."""
        return self.loop.run_until_complete(work)

    def get(self, url: str, app: Litestar | None = None, **headers: str) -> httpx.Response:
        """Ask the site (or this application of it) for `/dashboard` + url."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app or self.site.app())  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                return await client.get(f"/dashboard{url}", headers={name.replace("_", "-"): value for name, value in headers.items()})

        return self.run(ask())

    def close(self) -> None:
        """Release the database and the loop."""
        self.run(self.site.engine.dispose())
        self.run(self.loop.shutdown_asyncgens())
        self.loop.close()


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[Pages]:
    """A site without any request, engine or statistic."""
    made = Pages(tmp_path / "store.db")
    yield made
    made.close()


@pytest.fixture
def busy(pages: Pages) -> Pages:
    """A site with requests, statistics and a ready engine."""
    pages.run(fill_requests(pages.site.engine))
    pages.run(fill_rollups(pages.site.engine))
    pages.run(fill_chats(pages.site.engine))
    ready_engine(pages.site.sink)
    pages.site.objectives = OBJECTIVES
    pages.site.settings = SETTINGS
    return pages
