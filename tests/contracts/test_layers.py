"""The import layers of ARCHITECTURE.md: each folder imports what `layers.py` says it may, and nothing
else.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.layers import LAYERS, PRODUCT, Layer, broken, layer_of
from tests.contracts.sources import all_imports, imports_of, own_files


def test_no_file_imports_what_it_may_not() -> None:
    """Modules of ours and packages of others alike."""
    assert not broken(all_imports(), LAYERS)


@pytest.mark.parametrize("path", own_files(".py", folders=PRODUCT), ids=str)
def test_a_layer_rules_every_file(path: Path) -> None:
    """A new folder of the product has to say what it may import."""
    assert layer_of(path, LAYERS) is not None


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.place)
def test_a_layer_speaks_about_what_is_there(layer: Layer) -> None:
    """So that a renamed folder, file or module does not silence it."""
    assert not layer.names_nothing()


@pytest.mark.parametrize(
    ("layer", "missing"),
    [
        (Layer("gateway/no_such_folder/"), ["gateway/no_such_folder/"]),
        (Layer("gateway/gone.py"), ["gateway/gone.py"]),
        (Layer("gateway/", ("telemetry.gone",)), ["telemetry.gone"]),
        (Layer("gateway/", ("telemetry.store.gone", "telemetry.store")), ["telemetry.store.gone"]),
    ],
)
def test_a_layer_about_nothing_is_found(layer: Layer, missing: list[str]) -> None:
    """A folder, a file or a module that does not exist is told."""
    assert layer.names_nothing() == missing


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("telemetry/record.py", "from gateway.settings import load"),
        ("telemetry/record.py", "from telemetry.store import models"),
        ("telemetry/recorder.py", "def f():\n    import sqlalchemy.orm"),
        ("telemetry/new_folder/new.py", "import requests"),
        ("dashboard/pages/overview/view.py", "from gateway.settings.load import Settings"),
        ("gateway/engine/schedule/scheduler.py", "import llama_cpp.llama_cpp as native"),
        ("gateway/engine/schedule/loop.py", "from ...serving import router"),
        ("gateway/engine/cache/index.py", "from telemetry.store import models"),
        ("gateway/engine/worker.py", "import opentelemetry.trace"),
        ("gateway/serving/router.py", "from gateway.api.http.guard import GuardMiddleware"),
        ("gateway/api/http/body.py", "from dashboard import render"),
        ("gateway/chat/template.py", "from gateway.engine import protocol"),
        ("grafana/sources/alerts.py", "from telemetry.store import models"),
        ("gateway/app.py", "from grafana import build"),
        ("gateway/nowhere.py", "import numpy"),
    ],
)
def test_layers_catch(path: str, source: str) -> None:
    """Lazy, relative and aliased imports, and files that no layer names."""
    assert broken(imports_of(Path(path), source), LAYERS)
