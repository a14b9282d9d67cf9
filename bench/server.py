"""A server under test, ours or the peer's: a process of its own on a free loopback port."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from bench import gateway
from gateway.models.storage import DEMO_MODEL, resolve

START_S = 120.0
STOP_S = 30.0
OTHERS = ("FIRSTTOKEN_", "OTEL_", "FAKE_")
"""Variables that would change what is measured; the gateway under test does not see those of the caller."""


class ServerError(RuntimeError):
    """The server did not come up; the text holds the end of its output."""


class Server:
    """`with Server(fake=True, flags=…) as server:` runs a gateway. Its `home` is gone afterwards, unless
    one was given.
    """

    name = "the gateway"
    ready_route = "/readyz"

    def __init__(
        self,
        *,
        fake: bool = False,
        flags: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        home: Path | None = None,
    ) -> None:
        self.model = gateway.MODEL if fake else DEMO_MODEL
        self.host = "127.0.0.1"
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="firsttoken-bench-")
        self.home = home or Path(self._folder.name)
        self._command = [*self._program(fake), "--server-port", str(self.port), *flags]
        self._env = (
            {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
            | {"FIRSTTOKEN_ENGINE_TUNE": "off"}
            | (env or {})
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the gateway."""
        assert self._process is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Of the gateway; None while it runs."""
        assert self._process is not None
        return self._process.poll()

    @property
    def processor_s(self) -> float:
        """Processor time that the gateway (without its engine) has used, which other users of the machine
        hardly change.
        """
        times = psutil.Process(self.pid).cpu_times()
        return float(times.user + times.system)

    @property
    def engine_processor_s(self) -> float:
        """The same of its engine process."""
        times = [child.cpu_times() for child in psutil.Process(self.pid).children()]
        return float(sum(one.user + one.system for one in times))

    def __enter__(self) -> Self:
        with (self.home / "serve.out").open("wb") as output:
            self._process = subprocess.Popen(
                self._command, stdout=output, stderr=subprocess.STDOUT, env=self._env
            )
        try:
            self._wait_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._folder.cleanup()

    def stop(self) -> None:
        """SIGTERM, and a kill when that does not end it; the home folder stays until the block ends."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _program(self, fake: bool) -> list[str]:
        if fake:
            return [sys.executable, "-m", "bench.gateway", str(self.home)]
        return [sys.executable, "-m", "gateway.cli.main", "serve", "--json", "--home", str(self.home)]

    def _wait_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_S
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                output = (self.home / "serve.out").read_text(errors="replace")
                raise ServerError(f"{self.name} is not ready:\n{output[-4000:]}")
            time.sleep(0.1)

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=5)
        try:
            connection.request("GET", self.ready_route)
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()


class PeerServer(Server):
    """llama.cpp's own server (`bench.peer`) with the demo model."""

    name = "the peer"
    ready_route = "/health"

    def __init__(self, *, slots: int, n_ctx: int, threads: int) -> None:
        super().__init__()
        numbers = (self.port, slots, n_ctx, threads)
        self._command = [
            sys.executable,
            "-m",
            "bench.peer",
            str(resolve(DEMO_MODEL).path),
            *map(str, numbers),
        ]


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
