"""`firsttoken serve` as a program: which addresses it listens on, and how it fails where it cannot."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.listen import AddressError, claim


def _has_ipv6() -> bool:
    try:
        claim("::1", 0)
    except AddressError:
        return False
    return True


HOSTS = ["localhost", "127.0.0.1", "0.0.0.0", *(["::1"] if _has_ipv6() else [])]


def _command(home: Path, *flags: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "gateway.cli.main",
        "serve",
        "--json",
        "--home",
        str(home),
        "--engine-n-ctx",
        "512",
        "--engine-tune",
        "off",
        *flags,
    ]


@contextmanager
def _serving(home: Path, *flags: str) -> Iterator[subprocess.Popen[str]]:
    with (home / "err").open("w") as err:
        process = subprocess.Popen(_command(home, *flags), stdout=subprocess.PIPE, stderr=err, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _next(process: subprocess.Popen[str], *events: str) -> dict[str, Any]:
    assert process.stdout is not None
    for line in process.stdout:
        announced: dict[str, Any] = json.loads(line)
        if announced["event"] in events:
            return announced
    raise AssertionError(f"none of {events} was announced")


@pytest.mark.parametrize("host", HOSTS)
def test_listening_is_said_when_connections_are_accepted(host: str, home: Path) -> None:
    """The URL that is announced answers at once, with host names too."""
    with _serving(home, "--host", host, "--port", "0") as process:
        announced = _next(process, "listening", "failed")
        assert announced["event"] == "listening"
        assert httpx.get(f"{announced['base_url']}/healthz").status_code == 200
        assert announced["dashboard_url"] == f"{announced['base_url']}/dashboard"
    assert process.returncode == 0
    assert "Traceback" not in (home / "err").read_text()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 300, "203.0.113.7"])
def test_a_host_that_is_not_ours(host: str, home: Path) -> None:
    """A name that does not resolve, one that is none, and an address of another machine: one `failed`
    line, exit code 1.
    """
    done = subprocess.run(
        _command(home, "--host", host, "--port", "0"), capture_output=True, text=True, timeout=60, check=False
    )
    (line,) = done.stdout.splitlines()
    failed = json.loads(line)
    assert (done.returncode, failed["event"]) == (1, "failed")
    assert "cannot listen" in failed["message"]
    assert not {"base_url", "dashboard_url", "metrics_url"} & failed.keys()
    assert "Traceback" not in done.stderr


def test_a_port_in_use(home: Path, free_port: int) -> None:
    """Somebody else listens there: one `failed` line, exit code 1, and no `listening`."""
    with socket.create_server(("127.0.0.1", free_port)):
        command = _command(home, "--host", "localhost", "--port", str(free_port))
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert (done.returncode, events) == (1, ["failed"])
    assert "in use" in done.stdout


def test_a_port_taken_after_the_check(home: Path, free_port: int) -> None:
    """The address is free when it is checked and taken when the server binds: `failed`, exit code 1, no
    `listening`.
    """
    script = (
        "import os, socket, sys\nfrom pathlib import Path\nfrom gateway import app\nfrom gateway.settings"
        " import load as settings\nfrom gateway.cli.output import print_json\ngateway ="
        " app.Gateway(settings.load({}, flags={'server.port': sys.argv[1]}, home=Path(sys.argv[2])), {},"
        " print_json)\ntaken = socket.socket()\ntaken.bind(('127.0.0.1', int(sys.argv[1])))\nimport"
        " asyncio\nsys.exit(asyncio.run(app.run(gateway)))\n"
    )
    command = [sys.executable, "-c", script, str(free_port), str(home)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert done.returncode == 1, done.stderr
    assert "failed" in events
    assert "listening" not in events
