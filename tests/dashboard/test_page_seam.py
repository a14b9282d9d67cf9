"""The seam of the pages: a folder and a line of registration make a page, with all that the others have."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from litestar import Litestar

from dashboard.catalog import PAGES
from dashboard.docs import BEGIN, END, table, with_table
from dashboard.page import Page
from dashboard.router import SECURITY_HEADERS, dashboard_router
from tests.dashboard.conftest import Pages
from tests.dashboard.samples import MODEL, record
from tests.dashboard.toy.page import TOY
from tests.dashboard.toy_gateway import WITH_TOY
from tests.e2e.serving import FakeServed


class ToyServed(FakeServed):
    """A gateway of its own process with the fake engine and the toy."""

    def _command(self) -> list[str]:
        module = ["-m", "tests.dashboard.toy_gateway"]
        return [sys.executable, *module, str(self.home), "--server-port", str(self.port), *self._flags]


@pytest.fixture
def toy_site(pages: Pages) -> Litestar:
    """The dashboard with the toy, without a gateway around it."""
    return Litestar([dashboard_router(pages.site.deps(), WITH_TOY)], openapi_config=None)


def told(lines: Iterator[str]) -> str:
    """The next event of a stream; comments are none."""
    found: list[str] = []
    for line in lines:
        if line:
            found.append(line)
        elif any(line.startswith("data:") for line in found):
            return "\n".join(found)
        else:
            found.clear()
    raise AssertionError("the stream has ended")


def told_with(lines: Iterator[str], expected: str) -> str:
    """The next event with a text in it."""
    return next(event for event in iter(lambda: told(lines), "") if expected in event)


def test_a_page_is_a_folder_and_a_line_end_to_end(tmp_path: Path) -> None:
    """On a gateway: in the menu, answered with its content, and its block follows a request as it comes
    and goes.
    """
    served = ToyServed(tmp_path / "home", env={"FAKE_STEP_MS": "20"}).start()
    try:
        with httpx.Client(base_url=served.base_url, timeout=60) as client:
            assert '<a href="/dashboard/toy">Toy</a>' in client.get("/dashboard/health").text
            page = client.get("/dashboard/toy")
            assert page.status_code == 200
            assert "<h1>Toy of every model</h1>" in page.text
            address = re.findall(r'hx-sse:connect="([^"]+)"', page.text)[0].replace("&amp;", "&")
            with client.stream("GET", address, headers={"accept": "text/event-stream"}) as stream:
                lines = stream.iter_lines()
                assert '<p id="counter">0 run now</p>' in told(lines)
                with served.stream(max_tokens=40):
                    event = told_with(lines, "1 run now")
                assert event.startswith('data: <hx-partial hx-target="#counter" hx-swap="outerMorph">')
                told_with(lines, "0 run now")
    finally:
        assert served.stop() == 0


def test_it_has_what_all_pages_have(pages: Pages, toy_site: Litestar) -> None:
    """The policy, its entry marked, its block for htmx, its parameter in page and stream."""
    pages.site.sink.admitted(record(1))
    response = pages.get(f"/toy?model={MODEL}", toy_site)
    assert {name: response.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert '<a href="/dashboard/toy" aria-current="page">Toy</a>' in response.text
    assert f'hx-sse:connect="/dashboard/live?view=toy&amp;model={MODEL}"' in response.text
    assert "1 run now" in response.text
    block = pages.get("/toy?model=other", toy_site, HX_Request="true").text
    assert "<html" not in block
    assert "0 run now" in block


def test_without_its_line_it_is_not_there(pages: Pages) -> None:
    """Nothing of it is found by its folder alone."""
    assert pages.get("/toy").status_code == 404
    assert ">Toy<" not in pages.get("").text
    assert pages.get("/live?view=toy", Accept="text/event-stream").status_code == 400


def test_it_is_in_the_documentation() -> None:
    """The table has a row for each page, with the address as a person types it; without marks it is
    refused.
    """
    made = with_table(f"# Pages\n{BEGIN}old\n{END}more\n", WITH_TOY)
    assert made == f"# Pages\n{BEGIN}\n{table(WITH_TOY)}\n{END}more\n"
    assert "| Toy (`/dashboard/toy`) | how many requests run now |\n" in made
    assert "(`/dashboard/requests/{request_id}`)" in made
    assert len(made.splitlines()) == 8 + len(PAGES) + 1
    with pytest.raises(ValueError, match="have to be there"):
        with_table(END + BEGIN, WITH_TOY)


@pytest.mark.parametrize(
    ("page", "url"),
    [
        (dataclasses.replace(TOY, path="/"), "/dashboard"),
        (dataclasses.replace(TOY, path="/a/{name:path}"), "/dashboard/a/{name}"),
        (dataclasses.replace(TOY, path="/a/{name:str}/b"), "/dashboard/a/{name}/b"),
    ],
)
def test_an_address_is_told_without_types(page: Page, url: str) -> None:
    """Parameters of the path are in braces, and the Overview has no slash at the end."""
    assert page.url == url


def test_a_page_without_blocks_has_no_stream(pages: Pages) -> None:
    """It stays as it is, and the stream's address does not know it."""
    still = (*PAGES, dataclasses.replace(TOY, blocks=()))
    site = Litestar([dashboard_router(pages.site.deps(), still)], openapi_config=None)
    assert "hx-sse:connect" not in pages.get("/toy", site).text
    assert pages.get("/live?view=toy", site, Accept="text/event-stream").status_code == 400
