"""`firsttoken cache`: what is on disk is told, and what is cleared is gone, but for what an engine runs
with.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gateway.cli.main import main
from gateway.engine.cache.disk.file import DiskKey
from tests.engine.cache.caches import KEY, OTHER_BUILD, OTHER_MODEL, Disk, prompt


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path) -> None:
    """Settings come from the test alone: one model, `chat`."""
    model = tmp_path / "chat.gguf"
    model.write_bytes(b"GGUF....")
    monkeypatch.setenv("FIRSTTOKEN_HOME", str(home))
    monkeypatch.setenv("FIRSTTOKEN_ENGINE_MODELS", str(model))
    for name in ("FIRSTTOKEN_CONFIG", "OTEL_EXPORTER_OTLP_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def root(home: Path) -> Path:
    return home / "cache" / "prefix"


def left_by(root: Path, key: DiskKey, model: str, at: float) -> Path:
    """A key's files, last used at a time."""
    one = Disk(root, key, model=model)
    one.store(prompt(1))
    one.thread.close()
    for path in one.folder.iterdir():
        os.utime(path, (at, at))
    return one.folder


@pytest.fixture
def three(root: Path) -> dict[str, Path]:
    """The configured model's key, an older one of it, and a retired model's."""
    return {
        "own": left_by(root, KEY, "chat", 3000.0),
        "older": left_by(root, OTHER_BUILD, "chat", 2000.0),
        "retired": left_by(root, OTHER_MODEL, "gone", 1000.0),
    }


@pytest.fixture
def engine(root: Path, three: dict[str, Path]) -> Iterator[Disk]:
    """An engine that runs with the configured model's key."""
    one = Disk(root, KEY, model="chat")
    yield one
    one.thread.close()


def listed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What `cache list --json` tells."""
    assert main(["cache", "list", "--json"]) == 0
    told: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["keys"]
    return told


def test_keys_are_told(capsys: pytest.CaptureFixture[str], three: dict[str, Path]) -> None:
    """The last used first, with what they belong to, and which are foreign."""
    rows = listed(capsys)
    assert [row["key"] for row in rows] == [three[name].name for name in ("own", "older", "retired")]
    assert [row["model"] for row in rows] == ["chat", "chat", "gone"]
    assert [row["foreign"] for row in rows] == [False, True, True]
    assert rows[0]["used_at"].startswith("1970-01-01T00:50:00")
    assert rows[0]["size_bytes"] == sum(path.stat().st_size for path in three["own"].glob("*.kv"))
    assert (rows[1]["llama_cpp_build"], rows[1]["files"], rows[1]["in_use"]) == ("llama.cpp 2", 1, False)
    assert main(["cache", "list"]) == 0
    shown = capsys.readouterr().out
    assert all(folder.name in shown for folder in three.values())


def test_nothing_there_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Before the first engine has run."""
    assert listed(capsys) == []
    assert main(["cache", "list"]) == 0
    assert main(["cache", "clear", "all", "--yes"]) == 0


@pytest.mark.parametrize(
    ("which", "left"),
    [("all", set()), ("foreign", {"own"}), ("own", {"older", "retired"}), ("retired", {"own", "older"})],
)
def test_what_is_cleared_is_gone(
    capsys: pytest.CaptureFixture[str], three: dict[str, Path], which: str, left: set[str]
) -> None:
    """A key by its name, the foreign ones, or all."""
    word = three[which].name if which in three else which
    assert main(["cache", "clear", word, "--yes", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {name for name, folder in three.items() if folder.exists()} == left
    assert (len(told["cleared"]), told["kept"]) == (3 - len(left), [])
    assert told["bytes"] > 0


def test_what_an_engine_runs_with_stays(
    capsys: pytest.CaptureFixture[str], three: dict[str, Path], engine: Disk
) -> None:
    """`all` clears the rest and says what it kept; asked for by name it is refused with what to do."""
    assert listed(capsys)[0]["in_use"]
    assert main(["cache", "clear", three["own"].name, "--yes"]) == 1
    assert "stop the gateway" in capsys.readouterr().err
    assert main(["cache", "clear", "all", "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == [three["own"].name]
    assert engine.files()
    engine.store(prompt(2))
    assert engine.tier.off == ""


def test_a_person_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], three: dict[str, Path]
) -> None:
    """No leaves everything as it is; a program that does not say `--yes` is told to."""

    def no(_text: str, *, abort: bool) -> None:
        assert abort
        raise typer.Abort

    monkeypatch.setattr(typer, "confirm", no)
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda _: True})())
    assert main(["cache", "clear", "all"]) == 1
    assert main(["cache", "clear", "all", "--json"]) == 2
    assert "--yes" in json.loads(capsys.readouterr().out.splitlines()[-1])["error"]["message"]
    monkeypatch.setattr("sys.stdin", type("Pipe", (), {"isatty": lambda _: False})())
    assert main(["cache", "clear", "all"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert all(folder.exists() for folder in three.values())


def test_an_unknown_key_is_refused(capsys: pytest.CaptureFixture[str], three: dict[str, Path]) -> None:
    """With those that are known."""
    assert main(["cache", "clear", "../..", "--yes"]) == 1
    said = capsys.readouterr().err
    assert all(folder.name in said for folder in three.values())
    assert all(folder.exists() for folder in three.values())
