"""What `firsttoken serve` shows of the gateway's announcements."""

from __future__ import annotations

import io
import json
import socket
from pathlib import Path
from typing import Literal

import pytest
from rich.console import Console

from gateway.announcement import Announcement
from gateway.cli.main import main
from gateway.cli.serve import _Display


def _announcement(
    event: Literal["listening", "progress", "ready", "failed", "stopping"], message: str, progress: float | None = None
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
