"""A real Chromium and a real server on a free loopback port, started for the test run and stopped after
it.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from granian.constants import Interfaces
from granian.server.embed import Server
from playwright.sync_api import Browser, expect, sync_playwright

from tests.dashboard.chats import fill_chats
from tests.dashboard.sample_rollups import fill_rollups
from tests.dashboard.samples import OBJECTIVES, fill_requests, ready_engine
from tests.dashboard.site import SETTINGS, Site, empty_database

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
START_S = 20.0

# a page beside other tests may take longer than the default of five seconds
expect.set_options(timeout=20_000)


class Served:
    """A site served from a thread of its own, whose loop owns the database and the live sink."""

    def __init__(self, path: Path, filled: bool) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = taken.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.site: Site = self.run(self._site(path, filled))
        self._server = Server(self.site.app(), address="127.0.0.1", port=self.port, interface=Interfaces.ASGI)
        self._serving = asyncio.run_coroutine_threadsafe(self._server.serve(), self.loop)
        self._await_port()

    async def _site(self, path: Path, filled: bool) -> Site:
        site = Site(await empty_database(path), now_ns=None)
        if filled:
            await fill_requests(site.engine)
            await fill_rollups(site.engine)
            await fill_chats(site.engine)
            ready_engine(site.sink)
            site.objectives = OBJECTIVES
            site.settings = SETTINGS
        return site

    def _await_port(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("the server did not start")

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Wait for a coroutine on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(START_S)

    def call(self, function: Callable[..., None], *args: Any) -> None:
        """Call a function on the server's loop: the live sink belongs to it."""

        async def there() -> None:
            function(*args)

        self.run(there())

    def url(self, path: str) -> str:
        """The address of a page."""
        return f"http://127.0.0.1:{self.port}/dashboard{path}"

    async def _settled(self) -> None:
        """Wait for what cancelled readers leave behind: a driver closes its connection in a task of its
        own.
        """
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=START_S)

    def close(self) -> None:
        """Stop the server, then the loop."""
        self.call(self._server.stop)
        self._serving.result(START_S)
        self.run(self._settled())
        self.run(self.site.engine.dispose())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(START_S)
        self.loop.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A site with figures."""
    made = Served(tmp_path_factory.mktemp("filled") / "store.db", filled=True)
    yield made
    made.close()


@pytest.fixture(scope="module")
def served_empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A site without any."""
    made = Served(tmp_path_factory.mktemp("empty") / "store.db", filled=False)
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; the tests that need it are skipped where there is none.

    Not for the whole session: while it lives, Playwright keeps an event loop running in this thread, and
    other tests could not run theirs.
    """
    if not Path(CHROMIUM).exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()
