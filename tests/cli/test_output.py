"""How the verbs look: readable in a narrow terminal, and JSON for programs whatever goes wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.settings.load import describe


def _run(
    home: Path, *args: str, columns: int = 80, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "FIRSTTOKEN_HOME": str(home), "COLUMNS": str(columns), **(env or {})}
    command = [sys.executable, "-m", "gateway.cli.main", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_settings_are_readable(columns: int, home: Path) -> None:
    """Every setting with its value on one line, and no description in a column of a few letters."""
    lines = _run(home, "settings", columns=columns).stdout.splitlines()
    text = " ".join(" ".join(lines).split())
    for info in describe():
        assert any(line.startswith(info.name) for line in lines)
        words = info.description.split()
        assert " ".join(words[:3]) in text
    assert len(lines) < 4 * len(list(describe()))
    assert all(len(line.rstrip()) <= columns for line in lines if line.startswith(" "))


@pytest.mark.parametrize("verb", [["settings"], ["doctor"], ["serve"], ["models", "list"], ["db", "current"]])
@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--engine-slots", "0"], "engine.slots"),
        (["--no-such-flag", "1"], "--no-such-flag"),
    ],
)
def test_a_bad_setting_in_json(verb: list[str], flags: list[str], says: str, home: Path) -> None:
    """One JSON object on standard output, nothing on standard error, and exit code 2."""
    done = _run(home, *verb, "--json", *flags)
    (line,) = done.stdout.splitlines()
    error = json.loads(line)["error"]
    assert (done.returncode, error["type"], done.stderr) == (2, "usage", "")
    assert says.lower() in error["message"].lower()


def test_a_home_that_cannot_be_created(home: Path) -> None:
    """A verb that fails says so in JSON too, with exit code 1."""
    (home / "file").touch()
    done = _run(home, "serve", "--json", "--home", str(home / "file" / "below"))
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["type"]) == (1, "failed")
    assert "--home" in error["message"]


def test_answers_in_json_keep_their_exit_code(home: Path) -> None:
    """An answer that is a failure is the answer, not an error object."""
    done = _run(home, "models", "list", "--json", "--engine-models", str(home / "gone.gguf"))
    assert done.returncode == 1
    assert json.loads(done.stdout)["models"][0]["present"] is False
    assert _run(home, "settings", "--json").returncode == 0


@pytest.mark.parametrize("args", [["settings", "--engine-slots", "0"], ["settings", "--no-such-flag", "1"]])
def test_a_bad_setting_in_words(args: list[str], home: Path) -> None:
    """Without `--json` it is text on standard error."""
    done = _run(home, *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert "{" not in done.stderr
