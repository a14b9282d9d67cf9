"""Every route is mounted, and described in docs/api.md."""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Iterator

import pytest
from litestar.exceptions import LitestarDeprecationWarning
from litestar.handlers import HTTPRouteHandler

from gateway.app import Gateway
from gateway.models.storage import GGUF_MAGIC
from gateway.settings.load import load
from tests.contracts.sources import ROOT, own_files

UNDESCRIBED = ("/dashboard", "/schema")
"""Each with all below it stands in docs/api.md as one; pages are described in docs/dashboard.md."""


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Path → methods of every route of the application."""
    home = tmp_path_factory.mktemp("routes")
    (home / "fake.gguf").write_bytes(GGUF_MAGIC)
    settings = load({}, flags={"server.port": "0", "engine.models": str(home / "fake.gguf")}, home=home)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LitestarDeprecationWarning)
        found = Gateway(settings, {}).litestar.routes
    return {route.path_format: set(route.methods) for route in found if hasattr(route, "methods")}


def _handlers() -> Iterator[tuple[str, str]]:
    """Where a handler of the API is, and a path of it."""
    for path in own_files(".py", folders=("gateway",)):
        if path.parts[1] == "api":
            module = importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
            for handler in vars(module).values():
                if isinstance(handler, HTTPRouteHandler):
                    yield from ((path.as_posix(), re.sub(r":\w+}", "}", one)) for one in handler.paths)


def test_every_handler_is_mounted(mounted: dict[str, set[str]]) -> None:
    """A handler that nothing mounts answers nobody."""
    lost = sorted({f"{route} ({place})" for place, route in _handlers() if route not in mounted})
    assert not lost, f"not mounted: {', '.join(lost)}; see docs/where-to-add.md#a-route"


def test_every_route_is_described(mounted: dict[str, set[str]]) -> None:
    """docs/api.md has `METHOD /path` of each."""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    routes = [path for path in mounted if path != "/" and not path.startswith(UNDESCRIBED)]
    asked = [f"{method} {path}" for path in routes for method in mounted[path] - {"HEAD", "OPTIONS"}]
    missing = [route for route in sorted(asked) if f"`{route}`" not in text]
    assert not missing, f"add {missing} to the table of routes in docs/api.md"
