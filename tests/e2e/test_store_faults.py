"""A database that is locked, hung, away or restarted: the gateway serves, says so, keeps what happens, and
writes it as soon as it can.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import signal
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bench.server import Server
from telemetry.store import migrate
from tests.e2e.serving import until
from tests.store.postgres import PostgresServer
from tests.store.test_store import url_of

SHUTDOWN_S = 1.0
FLAGS = ("--engine-slots", "4", "--store-shutdown-s", str(SHUTDOWN_S), "--telemetry-energy-sources", "")


def base(server: Server) -> str:
    return f"http://{server.host}:{server.port}"


def chat(server: Server, request_id: str, max_tokens: int = 8) -> int:
    body = {"model": server.model, "max_tokens": max_tokens, "messages": [{"role": "user", "content": "Hi!"}]}
    return httpx.post(
        f"{base(server)}/v1/chat/completions", json=body, headers={"x-request-id": request_id}, timeout=60
    ).status_code


def said(server: Server) -> str:
    """What `/readyz` says of the store; it is 200 all the time."""
    answer = httpx.get(f"{base(server)}/readyz", timeout=30)
    assert answer.status_code == 200, answer.text + (server.home / "serve.out").read_text()[-3000:]
    return str(answer.json()["store"])


def health(server: Server) -> str:
    return html.unescape(httpx.get(f"{base(server)}/dashboard/health", timeout=30).text)


def dropped(server: Server) -> float:
    lines = httpx.get(f"{base(server)}/metrics", timeout=30).text.splitlines()
    return sum(
        float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("firsttoken_store_dropped_total")
    )


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    async def work() -> list[tuple[Any, ...]]:
        engine = create_async_engine(url)
        try:
            async with engine.connect() as connection:
                return [tuple(row) for row in await connection.execute(text(statement))]
        finally:
            await engine.dispose()

    return asyncio.run(work())


@contextlib.contextmanager
def locked_file(path: Path) -> Iterator[None]:
    """SQLite's write lock in another process's hands."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextlib.contextmanager
def locked_table(url: str) -> Iterator[None]:
    """PostgreSQL's table of the revision in another session's hands."""
    begun, over = threading.Event(), threading.Event()

    async def hold() -> None:
        engine = create_async_engine(url)
        async with _transaction(engine):
            begun.set()
            await asyncio.to_thread(over.wait)
        await engine.dispose()

    thread = threading.Thread(target=lambda: asyncio.run(hold()))
    thread.start()
    assert begun.wait(30)
    try:
        yield
    finally:
        over.set()
        thread.join(30)


@contextlib.asynccontextmanager
async def _transaction(engine: AsyncEngine) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.execute(text("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE"))
        yield


def stops_in_time(server: Server) -> None:
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < SHUTDOWN_S + 12  # the engine's end and the interpreter's come on top
    assert server.returncode == 0


@pytest.fixture(
    params=["a locked file", "a locked table", "a server that says nothing", "a server that is away"]
)
def fault(
    request: pytest.FixtureRequest, tmp_path: Path
) -> tuple[str, contextlib.AbstractContextManager[Any]]:
    """A database at the newest revision, and what keeps everybody from it."""
    if request.param == "a locked file":
        path = tmp_path / "locked.db"
        migrate.upgrade(url_of(path))
        return url_of(path), locked_file(path)
    server: PostgresServer = request.getfixturevalue("own_postgres")
    migrate.upgrade(server.url)
    if request.param == "a locked table":
        return server.url, locked_table(server.url)
    return server.url, server.frozen() if request.param == "a server that says nothing" else _away(server)


@contextlib.contextmanager
def _away(server: PostgresServer) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


def test_a_start_without_the_database(fault: tuple[str, contextlib.AbstractContextManager[Any]]) -> None:
    """It listens and answers, says that nothing is written, and writes what happened as soon as the
    database is there.
    """
    url, kept_away = fault
    with contextlib.ExitStack() as stack:
        with kept_away:
            server = stack.enter_context(Server(fake=True, flags=(*FLAGS, "--store-url", url)))
            assert chat(server, "early") == 200
            assert said(server) != "ok"
            assert "Nothing is written" in health(server)
            until(lambda: said(server) not in ("ok", "the database is being opened"), 30, "the reason")
            assert chat(server, "second") == 200
        until(lambda: said(server) == "ok", 60, "the store to be taken up")
        until(lambda: len(query(url, "SELECT 1 FROM requests WHERE status = 'ok'")) == 2, 30, "the rows")
        assert "Nothing is written" not in health(server)
        assert dropped(server) == 0
        stops_in_time(server)


def test_a_stop_without_the_database(fault: tuple[str, contextlib.AbstractContextManager[Any]]) -> None:
    """SIGTERM is answered while the database is waited for, at the start and later."""
    url, kept_away = fault
    with kept_away, Server(fake=True, flags=(*FLAGS, "--store-url", url)) as server:
        assert chat(server, "lost") == 200
        httpx.get(f"{base(server)}/dashboard", timeout=30)
        stops_in_time(server)


def test_a_lock_in_the_middle(tmp_path: Path) -> None:
    """Another process holds the write lock for longer than anybody waits for it: said while it does, and
    nothing is lost.
    """
    with Server(fake=True, flags=FLAGS, home=tmp_path) as server:
        until(lambda: said(server) == "ok", 30, "the database")
        assert chat(server, "before") == 200
        url = url_of(tmp_path / "firsttoken.db")
        until(lambda: query(url, "SELECT 1 FROM requests WHERE status = 'ok'"), 30, "the first row")
        with locked_file(tmp_path / "firsttoken.db"):
            for n in range(5):
                assert chat(server, f"meanwhile-{n}") == 200
            until(lambda: "locked" in said(server), 30, "the lock to be told")
            assert "it writes" not in health(server).lower()
            time.sleep(4)
        until(lambda: said(server) == "ok", 30, "a write")
        until(lambda: len(query(url, "SELECT 1 FROM requests WHERE status = 'ok'")) == 6, 30, "all rows")
        assert query(url, "SELECT sum(requests) FROM rollups") == [(6,)]
        assert dropped(server) == 0
        stops_in_time(server)


def test_a_server_that_is_restarted(own_postgres: PostgresServer) -> None:
    """PostgreSQL is shut down at once and started again while 30 chats run: no row and no event is lost, none
    is counted twice, and readers come back by themselves.
    """
    url = own_postgres.url
    with Server(fake=True, flags=(*FLAGS, "--store-url", url), env={"FAKE_STEP_MS": "15"}) as server:
        until(lambda: said(server) == "ok", 30, "the database")
        with ThreadPoolExecutor(8) as pool:
            chats = [pool.submit(chat, server, f"r{n}", 32) for n in range(30)]
            for _ in range(2):
                until(
                    lambda: query(url, "SELECT 1 FROM requests WHERE status = 'running'"),
                    30,
                    "a chat under way",
                )
                own_postgres.stop(signal.SIGQUIT)
                time.sleep(0.7)
                own_postgres.start()
            assert [done.result(60) for done in chats] == [200] * 30
        until(
            lambda: query(url, "SELECT count(*) FROM requests WHERE status = 'ok'") == [(30,)], 30, "all rows"
        )
        assert query(url, "SELECT count(*) FROM requests") == [(30,)]
        assert query(url, "SELECT count(*) FROM request_phases") == [(30,)]
        assert query(url, "SELECT sum(requests) FROM rollups") == [(30,)]
        assert dropped(server) == 0
        assert said(server) == "ok"
        page = httpx.get(f"{base(server)}/dashboard/requests", timeout=30).text
        assert "could not be read" not in page
        stops_in_time(server)
