"""A real gateway that was given secrets, and every page of it: none of them is anywhere."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dashboard.catalog import PAGES
from tests.e2e.serving import Served, until

SECRET = "hunter2-c0ffee"


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Served]:
    """Serving, with secrets in its file, its environment and its flags; nothing listens where they lead."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "firsttoken.toml").write_text(
        f'[slo]\nwebhook_url = "http://127.0.0.1:9/{SECRET}"\n', encoding="utf-8"
    )
    env = {
        "FIRSTTOKEN_STORE_URL": f"postgresql://ada:{SECRET}@127.0.0.1:9/firsttoken?password={SECRET}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://ada:{SECRET}@127.0.0.1:9/{SECRET}",
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {SECRET}",
    }
    served = Served(home, "--server-allowed-origins", f"https://ada:{SECRET}@chat.example", env=env).start(
        wait=False
    )
    yield served
    served.stop()


def listens(served: Served) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", served.port)) == 0


def test_no_page_tells_a_secret(guarded: Served) -> None:
    """Every page of the menu, `/readyz` and `/metrics`: also where the store cannot be opened and says
    why.
    """
    until(lambda: listens(guarded), 60, "the gateway to listen")
    until(
        lambda: "cannot be written" in httpx.get(f"{guarded.base_url}/dashboard/health", timeout=30).text,
        60,
        "the store to be given up",
    )
    urls = [*(page.url for page in PAGES if page.listed), "/readyz", "/metrics"]
    texts = {url: httpx.get(f"{guarded.base_url}{url}", timeout=30).text for url in urls}
    assert [url for url, text in texts.items() if SECRET in text] == []
    settings = texts["/dashboard/settings"]
    for public in (
        "postgresql://ada:***@127.0.0.1:9/firsttoken?***",
        "http://127.0.0.1:9/***",
        "firsttoken.toml",
        "flag",
    ):
        assert public in settings, public
    assert "cannot be written" in texts["/dashboard/health"]
