"""Which Hosts are answered to, by where the gateway listens and what the settings allow."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.types import Receive, Scope, Send

from dashboard.refusal import refusal_page
from gateway.api.dialect import Dialects
from gateway.api.dialects import DIALECTS
from gateway.api.http.guard import GuardMiddleware
from tests.e2e.serving import FakeServed


async def _answer(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def status(host: str, own: Sequence[str], allowed: Sequence[str] = ()) -> int:
    """What a GET with this Host is answered."""
    guard = GuardMiddleware(
        _answer, own=own, allowed_hosts=allowed, allowed_origins=(), dialects=Dialects(DIALECTS)
    )

    async def ask() -> int:
        transport = httpx.ASGITransport(guard)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return (await client.get("/", headers={"host": host})).status_code

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "own", [("127.0.0.1", "localhost"), ("0.0.0.0", "0.0.0.0"), ("::", "::"), ("192.0.2.7", "box.lan")]
)
def test_loopback_names_are_answered_wherever_it_listens(own: tuple[str, str]) -> None:
    """And no other name that is not its own, also where every address is listened on: names can be made to
    point here.
    """
    assert {status(host, own) for host in ("localhost:8080", "127.0.0.1", "[::1]:8080", "127.3.2.1")} == {200}
    for host in (
        "evil.example",
        "rebound.evil.example:8080",
        "192.0.2.99",
        "0.0.0.0:8080",
        "[::]:8080",
        "",
        "*",
    ):
        assert status(host, own) == 403, host


def test_the_rest_is_by_setting() -> None:
    """The address or name that it listens on, those that are allowed, and any with `*`."""
    assert status("192.0.2.7:8080", ("192.0.2.7", "box.lan")) == 200
    assert status("BOX.lan:8080", ("192.0.2.7", "box.lan")) == 200
    assert status("gateway:8080", ("0.0.0.0", "0.0.0.0"), ["Gateway"]) == 200
    assert status("other:8080", ("0.0.0.0", "0.0.0.0"), ["gateway"]) == 403
    assert status("evil.example", ("0.0.0.0", "0.0.0.0"), ["*"]) == 200


def test_the_image_allows_loopback_names_only(tmp_path: Path) -> None:
    """With what the Dockerfile sets, over a real socket: 127.0.0.1 is answered, a name is not, and the
    refusal says what to set.
    """
    dockerfile = (Path(__file__).parents[2] / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in dockerfile.splitlines() if not line.startswith("#")]
    env = dict(
        word.split("=", 1) for line in lines for word in line.split() if word.startswith("FIRSTTOKEN_SERVER_")
    )
    assert env == {"FIRSTTOKEN_SERVER_HOST": "0.0.0.0"}
    served = FakeServed(tmp_path / "home", env=env).start()
    try:
        assert httpx.get(f"{served.base_url}/v1/models").status_code == 200
        refused: Any = httpx.get(f"{served.base_url}/v1/models", headers={"host": "rebound.evil.example"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "host_not_allowed")
        assert "FIRSTTOKEN_SERVER_ALLOWED_HOSTS" in refused.json()["error"]["message"]
    finally:
        assert served.stop() == 0


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("path", "accept", "page"),
    [
        ("/", BROWSER, True),
        ("/dashboard", BROWSER, True),
        ("/dashboard/requests?status=error", BROWSER, True),
        ("/dashboard/live", "text/event-stream", False),
        ("/dashboard", "*/*", False),
        ("/dashboard", "text/html;q=0, */*", False),
        ("/v1/models", BROWSER, False),
        ("/dashboards", BROWSER, False),
    ],
)
def test_a_browser_is_refused_with_a_page(path: str, accept: str, page: bool) -> None:
    """In one piece, since nothing else is answered: what it holds is allowed by digest. The refused name
    is text, never markup.
    """
    guard = GuardMiddleware(
        _answer,
        own=(),
        allowed_hosts=(),
        allowed_origins=(),
        dialects=Dialects(DIALECTS),
        page=lambda path, accept, error: refusal_page(
            path, accept, error.code, error.message, "http://127.0.0.1:8080"
        ),
    )

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(guard)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get(path, headers={"host": "<b>evil", "accept": accept})

    told = asyncio.run(ask())
    assert told.status_code == 403
    if not page:
        assert told.json()["error"]["code"] == "host_not_allowed"
        return
    assert told.headers["content-type"] == "text/html; charset=utf-8"
    assert "&lt;b&gt;evil" in told.text
    assert "<b>" not in told.text
    assert 'href="http://127.0.0.1:8080/dashboard"' in told.text
    (style,) = re.findall(r"<style>(.*?)</style>", told.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in told.headers["content-security-policy"]
    assert not re.findall(r"<(?:link|script|img)|url\(", told.text)
