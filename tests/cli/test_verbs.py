"""The verbs of the command line, in process and as a program."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from gateway.cli.main import app, main
from tests.cli.test_databases import all_verbs


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Settings come from the test alone."""
    monkeypatch.setenv("FIRSTTOKEN_HOME", str(home))
    for name in ("FIRSTTOKEN_CONFIG", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def test_settings_json(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    """`settings --json` has the value in effect, flags included, and no password."""
    assert (
        main(["settings", "--json", "--engine-slots", "3", "--store-url=postgresql+asyncpg://me:secret@db/x"])
        == 0
    )
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


@pytest.mark.parametrize("age", ["all", "0d", "old", "999999w", "-1d"])
def test_no_age(capsys: pytest.CaptureFixture[str], age: str) -> None:
    """What `prune` refuses is not what it suggests."""
    assert main(["db", "prune", f"--older-than={age}"]) == 2
    said = capsys.readouterr().err
    assert ("--older-than" in said, "7d" in said, "or all" in said) == (True, True, False), said


def test_stats_suggest_all(capsys: pytest.CaptureFixture[str]) -> None:
    """Where it is taken it is suggested."""
    assert main(["stats", "--since", "old"]) == 2
    assert "7d, 2w or all" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [(), *(tuple(verb.split()) for verb in all_verbs())], ids=" ".join)
def test_help_is_whole(capsys: pytest.CaptureFixture[str], verb: tuple[str, ...]) -> None:
    """Every word of every option's help is shown, what stands in square brackets too, and `--home`,
    `--config` and `--json` everywhere.
    """
    command = typer.main.get_command(app)
    for name in verb:
        command = getattr(command, "commands", {})[name]
    assert main([*verb, "--help"]) == 0
    shown = capsys.readouterr().out
    helps = [(getattr(param, "help", "") or "").replace("\\[", "[") for param in command.params]
    assert [word for text in helps for word in re.findall(r"[\w\[\]-]+", text) if word not in shown] == []
    lacking = [flag for flag in ("--home", "--config", "--json") if flag not in shown]
    assert not lacking, f"give the verb {lacking}: they are in gateway/cli/options.py"


@pytest.mark.parametrize("verb", [verb.split() for verb in all_verbs()], ids=" ".join)
def test_a_stray_word_is_refused(capsys: pytest.CaptureFixture[str], verb: list[str]) -> None:
    """No verb overlooks an argument that it does not take."""
    arguments = {"tune": ["x.gguf"], "cache clear": ["all"]}.get(" ".join(verb), [])
    code = main([*verb, *arguments, "stray", "--server-port", "0"])
    assert code == 2, "`effective_settings` of gateway/cli/options.py reads what is left of the line"
    assert "unexpected argument 'stray'" in capsys.readouterr().err
