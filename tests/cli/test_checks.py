"""The checks of `firsttoken doctor`, each with a healthy and a broken machine."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from gateway.cli import checks
from gateway.cli.check import Check
from gateway.cli.database_check import check_database
from gateway.engine.threads.cores import Cores
from gateway.models.storage import DEMO_MODEL
from gateway.settings.load import Settings, load
from tests.telemetry.rapl_tree import RaplTree


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
    ("offload", "driver", "outcome"),
    [(False, None, "ok"), (False, "/usr/bin/nvidia-smi", "warn"), (True, None, "ok")],
)
def test_gpu(offload: bool, driver: str | None, outcome: str) -> None:
    """Only a GPU that is left unused is worth a warning."""
    assert checks.check_gpu(offload=offload, find=lambda _: driver).outcome == outcome


def test_cores() -> None:
    """Which limit decided is said; more threads than there are cores for are worth a warning."""
    quota = Cores(2, "a cgroup quota of 2 CPUs")
    assert checks.check_cores(0, quota) == Check("cores", "ok", "2 threads fit: a cgroup quota of 2 CPUs")
    assert [checks.check_cores(threads, quota).outcome for threads in (1, 2, 3)] == ["ok", "ok", "warn"]


def test_model_missing(home: Path) -> None:
    """A configured model that is not there fails."""
    (found,) = checks.check_models(_settings(home, engine__models=str(home / "gone.gguf")))
    assert found.outcome == "fail"


def test_draft_model(home: Path) -> None:
    """One that is there is named with what it drafts for; one that is not fails, with the setting."""
    served = {"engine__models": DEMO_MODEL}
    model, draft = checks.check_models(_settings(home, **served, engine__draft_model=DEMO_MODEL))
    assert (model.name, draft.name, draft.outcome) == ("model", "draft", "ok")
    assert draft.detail.startswith(f"{DEMO_MODEL} drafts for {DEMO_MODEL}: ")
    _, gone = checks.check_models(
        _settings(home, **served, engine__overrides=f"{DEMO_MODEL}:draft_model={home / 'gone.gguf'}")
    )
    assert gone.outcome == "fail"
    assert gone.detail.startswith("engine.draft_model: ")


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
    found = check_database(_settings(home, store__url="postgresql+asyncpg://me:secret@127.0.0.1:1/x"))
    assert found.outcome == "fail"
    assert "secret" not in found.detail


def test_otlp(free_port: int) -> None:
    """Without an endpoint OTLP is off; one that does not answer is a warning, since serving works without
    it.
    """
    (off,) = checks.check_otlp({})
    (dead,) = checks.check_otlp({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port}"})
    assert off.detail.startswith("off")
    assert dead.outcome == "warn"


def test_energy(tmp_path: Path, home: Path) -> None:
    """The source is named; without one the reason is, which is worth a warning only where energy has a
    price.
    """
    tree = RaplTree(tmp_path / "powercap")
    found = checks.check_energy(
        _settings(home, telemetry__rapl_path=str(tree.path), telemetry__energy_sources="rapl")
    )
    assert (found.outcome, found.detail) == ("ok", "from RAPL package-0")
    gone = {"telemetry__rapl_path": str(tmp_path / "gone"), "telemetry__energy_sources": "rapl"}
    missing = checks.check_energy(_settings(home, **gone))
    assert (missing.outcome, missing.detail.split(",")[0]) == ("ok", "not measured")
    assert str(tmp_path / "gone") in missing.detail
    priced = checks.check_energy(_settings(home, **gone, cost__price_per_kwh="0.3"))
    assert priced.outcome == "warn"
    assert "cost.price_per_kwh" in priced.detail
