"""HEAD, OPTIONS and 405 on every route, over real connections."""

from __future__ import annotations

import warnings

import httpx
import pytest
from litestar.exceptions import LitestarDeprecationWarning

from gateway.app import Gateway
from gateway.models.storage import GGUF_MAGIC
from gateway.settings.load import load
from tests.api.raw_http import connection, head
from tests.e2e.serving import FakeServed

PATHS = {
    "/v1/models/{model_id}": "/v1/models/fake",
    "/dashboard/requests/{request_id}": "/dashboard/requests/nobody",
    "/dashboard/conversations/{conversation_id}": "/dashboard/conversations/none",
    "/dashboard/static/{name}": "/dashboard/static/app.css",
    "/dashboard/{rest}": "/dashboard/nowhere",
}
"""What stands for routes with a parameter."""

VARYING = frozenset({"date", "x-request-id", "content-length"})
"""Differs between two answers anyway (a page's length, by the time that it tells)."""


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, set[str]]]:
    """Every route of the application and its methods."""
    home = tmp_path_factory.mktemp("routes")
    (home / "fake.gguf").write_bytes(GGUF_MAGIC)
    settings = load({}, flags={"server.port": "0", "engine.models": str(home / "fake.gguf")}, home=home)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LitestarDeprecationWarning)
        found = Gateway(settings, {}).litestar.routes
    return [
        (PATHS.get(route.path_format, route.path_format), set(route.methods))
        for route in found
        if hasattr(route, "methods")
    ]


def test_head_is_get_without_a_body(door: FakeServed, routes: list[tuple[str, set[str]]]) -> None:
    """On each route that has GET: the same status and headers, no byte behind them, and the connection
    goes on.
    """
    paths = [path for path, methods in routes if "GET" in methods]
    assert {"/healthz", "/metrics", "/v1/models/fake", "/dashboard", "/dashboard/live", "/api/stats"} <= set(
        paths
    )
    with connection(door.port) as made:
        for path in paths:
            whole, bare = made.request("GET", path), made.request("HEAD", path)
            assert bare.status == whole.status, path
            assert {name for name, value in whole.headers.items()} == set(bare.headers), path
            same = {name: value for name, value in whole.headers.items() if name not in VARYING}
            assert {name: value for name, value in bare.headers.items() if name not in VARYING} == same, path
            assert int(bare.headers["content-length"]) >= 0, path


def test_head_of_a_stream_ends(door: FakeServed) -> None:
    """A page that follows along never ends; its head is told and nothing stays behind."""
    with connection(door.port) as made:
        reply = made.request("HEAD", "/dashboard/live", accept="text/event-stream")
        assert (reply.status, reply.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert made.request("GET", "/healthz").status == 200
    text = httpx.get(f"{door.base_url}/metrics").text
    assert 'http_server_active_requests{http_request_method="HEAD",url_scheme="http"} 0.0' in text
    assert 'http_route="/dashboard/live"' in text


def test_head_where_there_is_nothing(door: FakeServed) -> None:
    """What GET refuses, HEAD refuses in the same way, without the envelope."""
    with connection(door.port) as made:
        for path, status in {
            "/nothing": 404,
            "/v1/models/nope": 404,
            "/v1/chat/completions": 405,
            "/dashboard/latency?window=odd": 400,
        }.items():
            assert made.request("HEAD", path).status == status, path
        assert made.request("GET", "/healthz").status == 200


def test_options_and_405_tell_what_is_allowed(door: FakeServed, routes: list[tuple[str, set[str]]]) -> None:
    """OPTIONS is 204 with Allow; a method that a route has not is 405 with the same Allow (RFC 9110,
    15.5.6).
    """
    with connection(door.port) as made:
        for path, methods in routes:
            allowed = methods | ({"HEAD"} if "GET" in methods else set())
            told, wrong = made.request("OPTIONS", path), made.request("PATCH", path)
            assert (told.status, wrong.status) == (204, 405), path
            assert (
                set(told.headers["allow"].split(", ")) == set(wrong.headers["allow"].split(", ")) == allowed
            ), path


def test_options_of_the_server(door: FakeServed) -> None:
    """`OPTIONS *` is about the server as a whole (RFC 9110, 9.3.7)."""
    with connection(door.port) as made:
        made.send(head("OPTIONS", "*"))
        reply = made.read()
        assert (reply.status, reply.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


def test_a_wrong_method_on_a_page_is_a_page(door: FakeServed) -> None:
    """Under /dashboard 405 is designed, with the policy and `Allow`; under /v1 it is the envelope."""
    page = httpx.post(f"{door.base_url}/dashboard/requests")
    assert (page.status_code, page.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert "That address cannot do this" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert httpx.put(f"{door.base_url}/v1/models").json()["error"]["code"] == "method_not_allowed"


def test_accept_is_obeyed(door: FakeServed) -> None:
    """A format of /metrics that is ruled out is not sent; 406 is the envelope; a page is no stream to
    whoever wants none.
    """
    with connection(door.port) as made:
        excluded = made.request("GET", "/metrics", accept="text/plain, application/openmetrics-text;q=0")
        assert excluded.headers["content-type"].startswith("text/plain")
        none = made.request("GET", "/metrics", accept="*/*;q=0")
        assert (none.status, none.error["code"], none.error["param"]) == (406, "not_acceptable", "accept")
        page = made.request("GET", "/dashboard/live", accept="text/html, text/event-stream;q=0")
        assert page.headers["content-type"].startswith("text/html")
