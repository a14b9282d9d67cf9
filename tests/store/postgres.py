"""A real PostgreSQL in a process of its own: its data in a temporary folder, on a free loopback port."""

from __future__ import annotations

import atexit
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psutil

from tests.e2e.serving import free_port

UNPRIVILEGED = "postgres"
"""The user that Debian's package makes; the server refuses to run as root."""

START_S = 60.0


def program(name: str) -> str | None:
    """Where a program of PostgreSQL is; Debian keeps them out of the path."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return str(places[0]) if places else shutil.which(name)


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty database; the server ends with the block."""
    with postgres_server() as server:
        yield server.url


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running server, which ends with the block. Its folder is not pytest's, which is closed to others."""
    with tempfile.TemporaryDirectory(prefix="firsttoken-postgres-") as folder:
        server = PostgresServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@cache
def _initialised(user: str | None) -> Path:
    """The data of a server that never ran, made once in a run; the others are copies."""
    folder = tempfile.TemporaryDirectory(prefix="firsttoken-initdb-")
    atexit.register(folder.cleanup)
    data = Path(folder.name) / "data"
    Path(folder.name).chmod(0o755)
    data.mkdir(mode=0o700)
    if user is not None:
        shutil.chown(data, user)
    initdb = [
        program("initdb") or "initdb",
        "-D",
        str(data),
        "-U",
        "firsttoken",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "-N",
    ]
    done = subprocess.run(initdb, check=False, capture_output=True, text=True, user=user, cwd=data)
    assert done.returncode == 0, done.stdout + done.stderr
    return data


class PostgresServer:
    """One server, which may be restarted or frozen."""

    def __init__(self, folder: Path) -> None:
        self._user = None if os.geteuid() != 0 else pwd.getpwnam(UNPRIVILEGED).pw_name
        self._log, self._data, self._port = folder / "log", folder / "data", free_port()
        self.url = f"postgresql+asyncpg://firsttoken@127.0.0.1:{self._port}/postgres"
        folder.chmod(0o755)
        subprocess.run(["cp", "-a", str(_initialised(self._user)), str(self._data)], check=True)

    def start(self) -> None:
        """Until it takes connections."""
        options = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        command = [program("postgres") or "postgres", "-D", str(self._data), "-p", str(self._port), *options]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, user=self._user, cwd=self._data)
        deadline = time.monotonic() + START_S
        ready = [
            program("pg_isready") or "pg_isready",
            "-q",
            "-h",
            "127.0.0.1",
            "-p",
            str(self._port),
            "-d",
            "postgres",
        ]
        while subprocess.run(ready, check=False).returncode != 0:
            assert self._process.poll() is None, self._log.read_text(errors="replace")
            assert time.monotonic() < deadline, self._log.read_text(errors="replace")
            time.sleep(0.1)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it with all sessions; SIGQUIT is an immediate shutdown, which leaves the rest to recovery."""
        self._process.send_signal(how)
        self._process.wait(30)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections (the kernel does) and says nothing, as behind a network that drops every
        packet.
        """
        own = psutil.Process(self._process.pid)
        stopped = [own, *own.children()]
        for process in stopped:
            process.suspend()
        try:
            yield
        finally:
            for process in stopped:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()
