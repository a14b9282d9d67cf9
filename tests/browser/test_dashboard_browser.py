"""The pages in a real browser: they fit, they break no policy, and they move without being reloaded."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.catalog import PAGES
from telemetry.events import Phase, PhaseTiming, Status
from tests.browser.conftest import Served
from tests.dashboard.chats import LONG
from tests.dashboard.samples import FIRST, MODEL, MS, path_of, record

MENU = [page.title for page in PAGES if page.listed]

PATHS = {page.key: path_of(page, request_id=FIRST, conversation_id=LONG) for page in PAGES}
"""Key → address below `/dashboard`, of every page."""

PATHS["latency"] += "?window=1h"

SCREENSHOTS = os.environ.get("FIRSTTOKEN_SCREENSHOTS")
IN_TIME_MS = 10_000


@contextmanager
def opened(
    browser: Browser, width: int = 1440, theme: Literal["light", "dark"] = "light"
) -> Iterator[tuple[Page, list[str]]]:
    """A page and everything that its console complains about, policy violations included."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce"
    )
    page, complaints = context.new_page(), []
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_default_timeout(IN_TIME_MS)
    yield page, complaints
    context.close()


def visit(page: Page, served: Served, name: str, suffix: str = "") -> None:
    """Open a page and see that it fits its width."""
    page.goto(served.url(PATHS[name]), wait_until="load")
    expect(page.locator("main h1")).to_be_visible()
    width, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= room, f"{name} is {width} px wide in {room} px"
    theme = "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
    if SCREENSHOTS:
        page.screenshot(path=str(Path(SCREENSHOTS) / f"{name}-{room}-{theme}{suffix}.png"), full_page=True)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_pages_fit_and_complain_of_nothing(
    browser: Browser, served: Served, width: int, theme: Literal["light", "dark"]
) -> None:
    """No page scrolls sideways, and none has a console error or a policy violation."""
    with opened(browser, width, theme) as (page, complaints):
        for name in PATHS:
            visit(page, served, name)
        assert complaints == []


@pytest.mark.parametrize("width", [1440, 390])
def test_empty_pages_fit(browser: Browser, served_empty: Served, width: int) -> None:
    """The same without a single request."""
    with opened(browser, width) as (page, complaints):
        for listed in (one for one in PAGES if one.listed):
            visit(page, served_empty, listed.key, "-empty")
        assert complaints == []


def test_a_running_row_moves_through_its_phases_without_reload(browser: Browser, served: Served) -> None:
    """Admitted, queued, decoding, gone: the row follows, and the page is the same document throughout."""
    sink, made = served.site.sink, record(5, started_ns=time.monotonic_ns())
    with opened(browser) as (page, complaints):
        page.goto(served.url("/requests"), wait_until="load")
        page.evaluate("window.untouched = true")
        page.locator("#filter-model").focus()
        row = page.locator(f"#request-{made.seq}")
        served.call(sink.admitted, made)
        expect(row.locator(".phase")).to_have_text("admit")
        made.phases.append(PhaseTiming(Phase.ADMIT, made.started_ns, made.started_ns + MS))
        made.current_phase = Phase.QUEUE
        served.call(sink.changed, made)
        expect(row.locator(".phase")).to_have_text("queue")
        made.current_phase, made.completion_tokens = Phase.DECODE, 17
        served.call(sink.changed, made)
        expect(row.locator(".phase")).to_have_text("decode")
        expect(row.locator("[data-label='Tokens out']")).to_have_text("17")
        made.status = Status.OK
        served.call(sink.completed, made)
        expect(row).to_have_count(0)
        assert page.evaluate("window.untouched") is True
        assert page.evaluate("document.activeElement.id") == "filter-model"
        assert complaints == []


def test_the_window_changes_in_place_and_one_stream_stays(browser: Browser, served: Served) -> None:
    """Choosing a window swaps the content, moves the address, and leaves one open stream: that of the new
    window.
    """
    with opened(browser) as (page, complaints):
        page.goto(served.url(""), wait_until="load")
        page.evaluate("window.untouched = true")
        page.locator("#window-24h").click()
        expect(page.locator("#window-24h")).to_have_attribute("aria-current", "true")
        assert page.url.endswith("?window=24h")
        assert page.evaluate("window.untouched") is True
        expect(page.locator("#follow")).to_have_count(1)
        assert "window=24h" in (page.locator("#follow").get_attribute("hx-sse:connect") or "")
        made = record(6, started_ns=time.monotonic_ns())
        served.call(served.site.sink.admitted, made)
        expect(page.locator(f"#running-{made.seq}")).to_be_visible()
        served.call(served.site.sink.completed, made)
        expect(page.locator(f"#running-{made.seq}")).to_have_count(0)
        assert complaints == []


def test_pages_work_without_javascript(browser: Browser, served: Served) -> None:
    """Filters, paging and windows are links and forms."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(served.url("/requests"))
    page.locator("#filter-status").select_option("error")
    page.locator("#filter-apply").click()
    assert "status=error" in page.url
    assert set(page.locator(".status").all_inner_texts()) == {"error"}
    page.goto(served.url("/requests"))
    page.locator("a[rel=next]").click()
    assert "before=" in page.url
    page.goto(served.url(""))
    page.locator("#window-7d").click()
    assert page.locator("[aria-current=true]").inner_text() == "7d"
    context.close()


def test_the_menu_lists_every_page_on_a_small_screen(browser: Browser, served: Served) -> None:
    """At 390 px the menu opens over the page, shows every entry inside the window, leads on, and closes
    with Escape.
    """
    with opened(browser, 390) as (page, complaints):
        page.goto(served.url(""), wait_until="load")
        links = page.locator("#pages a")
        expect(links.first).to_be_hidden()
        page.locator(".menu").click()
        for link in links.all():
            expect(link).to_be_in_viewport(ratio=1)
        if SCREENSHOTS:
            page.screenshot(path=str(Path(SCREENSHOTS) / "menu-390.png"))
        assert links.all_inner_texts() == MENU
        page.keyboard.press("Escape")
        expect(links.first).to_be_hidden()
        page.locator(".menu").click()
        links.filter(has_text="Latency").click()
        expect(page.locator("h1")).to_have_text("Latency")
        assert complaints == []


def test_the_menu_is_one_line_on_a_wide_screen(browser: Browser, served: Served) -> None:
    """At 1440 px all entries stand beside each other, without a button."""
    with opened(browser) as (page, _):
        page.goto(served.url(""), wait_until="load")
        expect(page.locator(".menu")).to_be_hidden()
        tops = {round(box["y"]) for link in page.locator("#pages a").all() if (box := link.bounding_box())}
        assert len(tops) == 1
        assert page.locator("#pages a").count() == len(MENU)


def test_latency_leads_to_the_requests(browser: Browser, served: Served) -> None:
    """The model stays with the window, and the number of a bucket opens the list with its filters set."""
    with opened(browser) as (page, complaints):
        page.goto(served.url("/latency?window=1h"), wait_until="load")
        page.locator("#filter-model").select_option(MODEL)
        page.locator("#filter-apply").click()
        page.wait_for_url("**model=*")
        page.locator("#window-24h").click()
        page.wait_for_url("**window=24h&model=*")
        page.locator("table.latency tbody a").nth(1).click()
        expect(page.locator("h1")).to_have_text("Requests")
        assert page.locator("#filter-model").input_value() == MODEL
        assert page.locator("#filter-context").input_value() == "512-1k"
        assert complaints == []


def test_settings_are_found_while_typing(browser: Browser, served: Served) -> None:
    """The list narrows under the field, which keeps what was typed and the focus; the switch narrows it
    too.
    """
    with opened(browser) as (page, complaints):
        page.goto(served.url("/settings"), wait_until="load")
        page.evaluate("window.untouched = true")
        page.locator("#filter-q").press_sequentially("max_stall", delay=30)
        expect(page.locator("table.settings tbody tr")).to_have_count(1)
        assert page.locator("#filter-q").input_value() == "max_stall"
        assert page.evaluate("document.activeElement.id") == "filter-q"
        page.locator("#filter-q").fill("")
        page.locator("#filter-changed").check()
        expect(page.locator("#setting-server\\.port")).to_have_count(0)
        expect(page.locator("#setting-engine\\.slots")).to_be_visible()
        assert page.evaluate("window.untouched") is True
        assert complaints == []


def test_a_conversation_leads_to_its_requests_and_back(browser: Browser, served: Served) -> None:
    """An id of any characters has an address; its turns lead to their pages, and those back to it."""
    with opened(browser) as (page, complaints):
        page.goto(served.url("/conversations"), wait_until="load")
        page.get_by_role("link", name=LONG).click()
        expect(page.locator("h1")).to_have_text(LONG)
        page.locator(".turns a").first.click()
        page.get_by_role("link", name=LONG).click()
        expect(page.locator("h1")).to_have_text(LONG)
        assert complaints == []
