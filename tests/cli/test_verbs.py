"""The verbs of the command line, in process and as a program."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.main import main


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Settings come from the test alone."""
    monkeypatch.setenv("FIRSTTOKEN_HOME", str(home))
    for name in ("FIRSTTOKEN_CONFIG", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def test_settings_json(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    """`settings --json` has the value in effect, flags included, and no password."""
    assert main(["settings", "--json", "--engine-slots", "3", "--store-url=postgresql+asyncpg://me:secret@db/x"]) == 0
    printed = json.loads(capsys.readouterr().out)
    values = {entry["name"]: entry["value"] for entry in printed["settings"]}
    assert printed["home"] == str(home)
    assert (values["engine.slots"], values["store.url"]) == (3, "postgresql+asyncpg://me:***@db/x")


def test_wrong_setting_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong value exits with 2 and one line that names key and source."""
    assert main(["settings", "--engine-slots", "0"]) == 2
    stderr = capsys.readouterr().err
    assert "engine.slots" in stderr
    assert "from --engine-slots" in stderr
    assert "Traceback" not in stderr


def test_unknown_flag(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown flag exits with 2 and says so."""
    assert main(["serve", "--engine-slotz", "4"]) == 2
    assert "--engine-slots" in capsys.readouterr().err


def test_models_list(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """`models list` says which of the configured models are there; a missing one exits with 1."""
    there = tmp_path / "Tiny.gguf"
    there.write_bytes(b"GGUF....")
    assert main(["models", "list", "--json", "--engine-models", f"{there},{tmp_path / 'gone.gguf'}"]) == 1
    tiny, gone = json.loads(capsys.readouterr().out)["models"]
    assert (tiny["name"], tiny["size_bytes"], tiny["present"], tiny["digest"]) == ("tiny", 8, True, None)
    assert (gone["present"], gone["size_bytes"]) == (False, None)


def test_db(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    """`db current` does not create a database, `db upgrade` does, and then it is up to date."""
    assert main(["db", "current", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["current"] is None
    assert not (home / "firsttoken.db").exists()
    assert main(["db", "upgrade", "--json"]) == 0
    upgraded = json.loads(capsys.readouterr().out)
    assert upgraded["up_to_date"] is True
    assert upgraded["current"] == upgraded["head"]


def test_serve_program_reports_usage() -> None:
    """Started as a program, a bad setting exits with 2 and writes nothing to standard output."""
    command = [sys.executable, "-m", "gateway.cli.main", "serve", "--port", "70000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--port" in done.stderr
