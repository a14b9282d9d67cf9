"""The checks of `firsttoken doctor`, each with a healthy and a broken machine."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from gateway.cli import checks
from gateway.settings import Settings, load


def _settings(home: Path, **flags: str) -> Settings:
    return load({}, flags={name.replace("__", "."): value for name, value in flags.items()}, home=home)


def test_python() -> None:
    """An old interpreter fails."""
    assert checks.check_python().outcome == "ok"
    assert checks.check_python((3, 10, 1)).outcome == "fail"


def test_engine() -> None:
    """llama.cpp answers from a process of its own."""
    engine, gpu = checks.check_engine(os.environ)
    assert (engine.name, engine.outcome) == ("engine", "ok")
    assert gpu.name == "gpu"


@pytest.mark.parametrize(
    ("offload", "driver", "outcome"), [(False, None, "ok"), (False, "/usr/bin/nvidia-smi", "warn"), (True, None, "ok")]
)
def test_gpu(offload: bool, driver: str | None, outcome: str) -> None:
    """Only a GPU that is left unused is worth a warning."""
    assert checks.check_gpu(offload=offload, find=lambda _: driver).outcome == outcome


def test_model_missing(home: Path) -> None:
    """A configured model that is not there fails."""
    (found,) = checks.check_models(_settings(home, engine__models=str(home / "gone.gguf")))
    assert found.outcome == "fail"


def test_port(free_port: int) -> None:
    """A port that somebody listens on fails, with what to do."""
    assert checks.check_port("127.0.0.1", free_port).outcome == "ok"
    with socket.create_server(("127.0.0.1", free_port)):
        taken = checks.check_port("127.0.0.1", free_port)
    assert taken.outcome == "fail"
    assert "--port" in taken.detail


def test_home_not_writable(tmp_path: Path) -> None:
    """A home folder that cannot take files fails; a file in its place is such a folder."""
    (tmp_path / "file").touch()
    assert checks.check_home(tmp_path / "new").outcome == "ok"
    assert checks.check_home(tmp_path / "file").outcome == "fail"


def test_database_that_does_not_answer(home: Path) -> None:
    """A database that cannot be reached fails without showing its password."""
    found = checks.check_database(_settings(home, store__url="nosuch://me:secret@db/x"))
    assert found.outcome == "fail"
    assert "secret" not in found.detail


def test_otlp(free_port: int) -> None:
    """Without an endpoint OTLP is off; one that does not answer is a warning, since serving works without it."""
    (off,) = checks.check_otlp({})
    (dead,) = checks.check_otlp({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port}"})
    assert off.detail.startswith("off")
    assert dead.outcome == "warn"
