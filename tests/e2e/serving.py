"""A real gateway in a process of its own, on a free loopback port, with the real demo model."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import psutil

MODEL = "smollm2-135m-instruct"
START_S = 120.0
Found = TypeVar("Found")

beside: dict[str, str] = {}
"""Settings of every gateway that runs beside other tests (`tests.conftest` sets them)."""


_ports = itertools.count(10_000 + os.getpid() * 97 % 20_000)
"""Below those that the system gives to whoever asks for any; another worker's begin elsewhere."""


def free_port() -> int:
    """A loopback port that nobody listens on now, never the same twice: between this and its use nobody
    else is given it.
    """
    for port in _ports:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("unreachable: the ports have no end")


def until(condition: Callable[[], Found | None], seconds: float = 30.0, what: str = "") -> Found:
    """Wait for a condition to give something true, and return that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s in vain for {what or condition}")


class Served:
    """One `firsttoken serve`; `home` survives a restart."""

    model = MODEL
    worker = "gateway.engine.worker"

    def __init__(self, home: Path, *flags: str, env: dict[str, str] | None = None) -> None:
        self.home = home
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self._flags = flags
        # a measurement would make tests differ
        self._env = {"FIRSTTOKEN_ENGINE_TUNE": "off", **beside, **os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> Self:
        """Start it; with `wait`, until the model answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "serve.out").open("ab") as out, (self.home / "serve.err").open("ab") as err:
            self._process = subprocess.Popen(self._command(), stdout=out, stderr=err, env=self._env)
        if wait:
            until(self.ready, START_S, f"the model to load; see {self.home}")
        return self

    def _command(self) -> list[str]:
        module = ["-m", "gateway.cli.main", "serve", "--json"]
        return [sys.executable, *module, "--port", str(self.port), "--home", str(self.home), *self._flags]

    def ready(self) -> bool:
        """Whether `/readyz` says 200."""
        assert self._process is not None
        assert self._process.poll() is None, (self.home / "serve.err").read_text()[-4000:]
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.base_url}/readyz", timeout=5).status_code == 200
        return False

    @property
    def pid(self) -> int:
        """Of the gateway."""
        assert self._process is not None
        return self._process.pid

    def engine_pid(self) -> int:
        """Of its engine process."""
        children = [
            child for child in psutil.Process(self.pid).children() if self.worker in " ".join(child.cmdline())
        ]
        assert len(children) == 1
        return int(children[0].pid)

    def kill(self) -> None:
        """`kill -9` the gateway."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=60)

    def rows(self, sql: str = "SELECT * FROM requests ORDER BY seq", *values: Any) -> list[dict[str, Any]]:
        """Read the database as anybody may."""
        with contextlib.closing(
            sqlite3.connect(f"file:{self.home / 'firsttoken.db'}?mode=ro", uri=True)
        ) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(sql, values)]

    def row(self, request_id: str) -> dict[str, Any]:
        """The row of a request once it has ended (the writer batches for up to 100 ms)."""

        def ended() -> dict[str, Any] | None:
            try:
                found = self.rows("SELECT * FROM requests WHERE id = ? AND status <> 'running'", request_id)
            except sqlite3.OperationalError:  # serving begins before the store has its tables
                return None
            return found[-1] if found else None

        row: dict[str, Any] = until(ended, 10, f"the row of {request_id}")
        return row

    def chat(self, text: str = "Hi!", **controls: Any) -> httpx.Response:
        """One chat over plain HTTP."""
        body = {
            "model": self.model,
            "temperature": 0,
            "max_tokens": 16,
            "messages": [{"role": "user", "content": text}],
            **controls,
        }
        return httpx.post(f"{self.base_url}/v1/chat/completions", json=body, timeout=120)

    @contextlib.contextmanager
    def stream(
        self, text: str = "Tell me a long story.", *, request_id: str = "", **controls: Any
    ) -> Iterator[httpx.Response]:
        """One streamed chat over plain HTTP."""
        body = {"model": self.model, "temperature": 0, "max_tokens": 400, "stream": True, **controls}
        body.setdefault("messages", [{"role": "user", "content": text}])
        headers = {"x-request-id": request_id} if request_id else {}
        with httpx.stream(
            "POST", f"{self.base_url}/v1/chat/completions", json=body, headers=headers, timeout=120
        ) as response:
            yield response


class FakeServed(Served):
    """The same with the benchmark's fake engine: for claims about the gateway alone, which a model would
    only slow down.
    """

    model = "fake"
    worker = "bench.fake_engine"

    def _command(self) -> list[str]:
        return [
            sys.executable,
            "-m",
            "bench.gateway",
            str(self.home),
            "--server-port",
            str(self.port),
            *self._flags,
        ]


def frames(response: httpx.Response) -> Iterator[Any]:
    """The JSON of each `data:` line; `[DONE]` as it is."""
    for line in response.iter_lines():
        if line.startswith("data: "):
            data = line.removeprefix("data: ")
            yield data if data == "[DONE]" else json.loads(data)


def together(*jobs: Callable[[], Any]) -> list[Any]:
    """Run jobs at the same time; their results in order, or the first error."""
    results: list[Any] = [None] * len(jobs)

    def run(index: int) -> None:
        try:
            results[index] = jobs[index]()
        except BaseException as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
