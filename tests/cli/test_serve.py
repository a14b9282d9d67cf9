"""What `firsttoken serve` shows of the gateway's announcements."""

from __future__ import annotations

import io
import json
import logging
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import httpx
import pytest
from rich.console import Console

from gateway.announcement import Announcement
from gateway.cli.main import main
from gateway.cli.serve import _Display
from tests.e2e.serving import until


def _announcement(
    event: Literal["listening", "progress", "ready", "failed", "stopping"],
    message: str,
    progress: float | None = None,
) -> Announcement:
    return Announcement(
        event=event,
        message=message,
        base_url="http://127.0.0.1:1",
        dashboard_url="http://127.0.0.1:1/dashboard",
        metrics_url="http://127.0.0.1:1/metrics",
        models=["tiny"],
        progress=progress,
    )


def test_display_at_a_terminal() -> None:
    """Progress is a line that changes, and readiness is the URLs."""
    written = io.StringIO()
    with _Display(Console(file=written, width=80, force_terminal=True, color_system=None)) as display:
        display.announce(_announcement("listening", "listening"))
        for step in (0.1, 0.5, 0.9):
            display.announce(_announcement("progress", "loading [tiny]", step))
        display.announce(_announcement("ready", "ready"))
        display.announce(_announcement("stopping", "stopping now"))
    text = written.getvalue()
    assert text.count("\n") < 20
    assert "http://127.0.0.1:1/dashboard" in text
    assert "stopping now" in text


def test_taken_port_fails(free_port: int, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A port that somebody listens on ends with exit code 1 and one JSON line that says so."""
    with socket.create_server(("127.0.0.1", free_port)):
        assert main(["serve", "--json", "--home", str(home), "--port", str(free_port)]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["event"] == "failed"
    assert str(free_port) in line


def test_without_a_terminal_all_is_json(free_port: int, home: Path, tmp_path: Path) -> None:
    """Both streams in one file, as a container or a service has them: the start, a model that fails, a
    refused request, the end.
    """
    model, log = tmp_path / "no-model.gguf", tmp_path / "log"
    model.write_bytes(b"GGUF....")
    command = [
        sys.executable,
        "-W",
        "always",
        "-m",
        "gateway.cli.main",
        "serve",
        "--home",
        str(home),
        "--model",
        str(model),
    ]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "--port", str(free_port), "--engine-max-restarts", "0"],
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: '"failed"' in log.read_text(), 60, f"the model to fail; see {log}")
        assert (
            httpx.post(
                f"http://127.0.0.1:{free_port}/v1/chat/completions", json={"model": "no-model"}, timeout=30
            ).status_code
            >= 400
        )
    finally:
        process.terminate()
        process.wait(60)
    said = [json.loads(line) for line in log.read_text().splitlines()]
    events = [line["event"] for line in said]
    assert [event for event in ("listening", "failed", "request", "stopping") if event not in events] == []
    assert any(line.get("dashboard_url") == f"http://127.0.0.1:{free_port}/dashboard" for line in said)
    assert any(line.get("logger") == "firsttoken.serve" and line.get("level") == "error" for line in said)


def test_a_gateway_outlives_its_reader(free_port: int, home: Path, tmp_path: Path) -> None:
    """`serve --json | head -1`: nobody reads on, and it serves."""
    model = tmp_path / "no-model.gguf"
    model.write_bytes(b"GGUF....")
    command = [
        sys.executable,
        "-m",
        "gateway.cli.main",
        "serve",
        "--json",
        "--home",
        str(home),
        "--model",
        str(model),
        "--port",
        str(free_port),
    ]
    process = subprocess.Popen(
        [*command, "--engine-max-restarts", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        assert json.loads(process.stdout.readline())["event"] == "listening"
        process.stdout.close()
        until(
            lambda: "no-model" in httpx.get(f"http://127.0.0.1:{free_port}/readyz", timeout=30).text,
            60,
            "the model to fail",
        )
        time.sleep(1)  # the announcement of that goes nowhere
        assert httpx.get(f"http://127.0.0.1:{free_port}/healthz", timeout=30).status_code == 200
    finally:
        process.terminate()
    assert process.wait(60) == 0


def test_a_defect_is_a_line_of_the_log(
    monkeypatch: pytest.MonkeyPatch, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its traceback inside, and exit code 1."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own
    monkeypatch.setattr("gateway.app.serve", lambda *_, **__: 1 // 0)
    assert main(["serve", "--home", str(home)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "ZeroDivisionError" in json.loads(line)["exception"]
