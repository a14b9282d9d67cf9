"""A real PostgreSQL in a process of its own: its data in a temporary folder, on a free loopback port."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

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
    """The URL of an empty database; the server ends with the block. Its folder is not pytest's, which is closed to others."""
    with tempfile.TemporaryDirectory(prefix="firsttoken-postgres-") as folder:
        yield from _serve(Path(folder))


def _serve(folder: Path) -> Iterator[str]:
    user = _user()
    data, port = folder / "data", free_port()
    folder.chmod(0o755)
    data.mkdir(mode=0o700)
    if user is not None:
        shutil.chown(data, user)
    with (folder / "log").open("wb") as log:
        initdb = [program("initdb"), "-D", str(data), "-U", "firsttoken", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]
        subprocess.run(initdb, check=True, stdout=log, stderr=log, user=user, cwd=data)
        options = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        server = [program("postgres"), "-D", str(data), "-p", str(port), *options]
        process = subprocess.Popen(server, stdout=log, stderr=log, user=user, cwd=data)
    try:
        _await(process, port, folder / "log")
        yield f"postgresql+asyncpg://firsttoken@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)  # ends the sessions that are left
        process.wait(30)


def _user() -> str | None:
    if os.geteuid() != 0:
        return None
    return pwd.getpwnam(UNPRIVILEGED).pw_name


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_S
    ready = [program("pg_isready") or "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-d", "postgres"]
    while subprocess.run(ready, check=False).returncode != 0:
        assert process.poll() is None, log.read_text(errors="replace")
        assert time.monotonic() < deadline, log.read_text(errors="replace")
        time.sleep(0.1)
