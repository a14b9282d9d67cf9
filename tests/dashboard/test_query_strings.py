"""Every page with every parameter: whatever an address says, the answer is a designed page with the
policy, and never a 5xx.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar

from dashboard.catalog import PAGES
from dashboard.router import SECURITY_HEADERS
from tests.dashboard.conftest import Pages

ODD = [
    "", "9999-01-01T00:00", "0001-01-01T00:00+23:59", "9999-12-31T23:59:59-23:59", "1969-07-20", "-1", "²",
    "9" * 5000, str(2**63), str(2**63 - 1), "1e9", "\0", "a\0b", "%", "../..", "'", "<b>", "ok", "1h", "all",
    "ttft", "0-512", "2026-11-23T04:46",
]  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(ODD), st.text(max_size=40), st.datetimes().map(str), st.integers().map(str)
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, filled_store: bytes) -> Iterator[Pages]:
    """A site with figures, for all examples."""
    made = Pages(tmp_path_factory.mktemp("site") / "store.db", filled_store)
    yield made
    made.close()


def parameters(pages: Pages) -> dict[str, list[str]]:
    """Every address that answers (path parameters as `{}`), with the parameters that its page declares."""
    declared = {page.url: list(page.parameters) for page in PAGES}
    found = {}
    for route in one_app(pages).routes:
        for handler in getattr(route, "route_handlers", ()):
            if "GET" in handler.http_methods:
                found[route.path_format.removeprefix("/dashboard")] = declared.pop(route.path_format, [])
    assert not declared
    return found


@cache
def one_app(pages: Pages) -> Litestar:
    """The same application for all examples: making one takes longer than any page."""
    return pages.site.app()


@given(data=st.data())
def test_no_address_breaks_a_page(site: Pages, data: st.DataObject) -> None:
    """All pages with any values of their parameters, some of them twice."""
    pages = parameters(site)
    path = data.draw(st.sampled_from(sorted(pages)), "page")
    names = pages[path]
    query = data.draw(st.lists(st.tuples(st.sampled_from([*names, "other"]), VALUES), max_size=4), "query")
    where = "".join(
        f"/{quote(data.draw(VALUES, 'part'), safe='')}" if part.startswith("{") else f"/{part}"
        for part in path.split("/")
        if part
    )
    response = site.get(f"{where}?{urlencode(query, errors='replace')}", app=one_app(site))
    assert response.status_code < 500, response.text[:2000]
    assert response.headers["content-security-policy"] == SECURITY_HEADERS["content-security-policy"]
    if not response.headers["content-type"].startswith(("text/css", "text/javascript", "image/")):
        assert "</html>" in response.text


@pytest.mark.parametrize(
    "url",
    [
        "/requests?before=" + "9" * 5000,
        "/requests?model=a%00b",
        "/conversations/a%00b",
        "/requests?status=a%00",
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_page(site: Pages, url: str) -> None:
    """A number of thousands of digits and a NUL are the caller's doing."""
    response = site.get(url)
    assert response.status_code == 400
    assert "That address does not work" in response.text


@pytest.mark.parametrize(
    "url", ["/requests?since=9999-01-01T00:00", "/requests?until=0001-01-01T00:00%2B05:00"]
)
def test_times_far_away_find_nothing(site: Pages, url: str) -> None:
    """Any time is a time, also one that no request can have."""
    assert site.get(url).status_code == 200


def test_a_defect_is_a_page_too(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    """What we did wrong is told in the same form, without its trace, which is in the log."""
    logged: list[object] = []
    monkeypatch.setattr("dashboard.router.log.error", lambda *_, exc_info, **_more: logged.append(exc_info))
    monkeypatch.setattr("dashboard.pages.health.view.HealthPageView.context", lambda _: 1 / 0)
    response = pages.get("/health")
    assert (response.status_code, "That page failed" in response.text) == (500, True)
    assert response.headers["content-security-policy"] == SECURITY_HEADERS["content-security-policy"]
    assert "ZeroDivisionError" not in response.text
    assert [type(error) for error in logged] == [ZeroDivisionError]
