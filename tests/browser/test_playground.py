"""The playground on a real gateway with the demo model: a chat of two turns, and every page that tells of
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_dashboard_browser import SCREENSHOTS, opened
from tests.e2e.serving import MODEL, Served, until

ANSWER_MS = 60_000


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway that serves the demo model with a small context, which a long message does not fit into."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FIRSTTOKEN_SCREENSHOTS", raising=False)  # no setting: the gateway would refuse to start
        served = Served(
            tmp_path_factory.mktemp("home"), "--engine-slots", "2", "--engine-n-ctx", "1024"
        ).start()
    yield served
    served.stop()


def test_a_chat_is_streamed_timed_and_found_again(browser: Browser, gateway: Served) -> None:
    """Two turns: text, timings, a link to the waterfall; then the conversation, the latency and the health
    of it.
    """
    with opened(browser) as (page, complaints):
        page.goto(f"{gateway.base_url}/dashboard/playground", wait_until="load")
        page.locator("#max_tokens").fill("16")
        for number, text in enumerate(["Say hello to <b>Ada</b>.", "And now to Grace."]):
            page.locator("#message").fill(text)
            page.locator("#send").click()
            turn = page.locator(".turn").nth(number)
            expect(turn.locator("dl")).to_be_visible(timeout=ANSWER_MS)
            expect(turn.locator(".asked")).to_have_text(text)
            expect(turn.locator(".answered")).not_to_be_empty()
            expect(turn.locator(".state")).to_be_hidden()
            expect(page.locator("#send")).to_be_enabled()
        assert page.locator(".turn b").count() == 0
        assert "cached" in page.locator(".turn").nth(1).locator("dl").inner_text()
        if SCREENSHOTS:
            page.screenshot(path=str(Path(SCREENSHOTS) / "playground-chat-1440.png"), full_page=True)
        until(lambda: len(gateway.rows("SELECT 1 FROM requests WHERE status = 'ok'")) == 2, 10, "the rows")
        page.locator(".turn a").first.click()
        expect(page.get_by_role("heading", name="Where the time went")).to_be_visible()
        page.get_by_role("link", name="playground-").click()
        expect(page.locator(".turns tbody tr")).to_have_count(2)
        page.goto(f"{gateway.base_url}/dashboard/latency?window=15m", wait_until="load")
        expect(page.get_by_role("heading", name="Where the time of a request goes")).to_be_visible()
        assert complaints == []
    first = gateway.rows("SELECT DISTINCT conversation_id FROM requests")
    assert len(first) == 1


def test_an_error_is_told_and_a_chat_can_be_stopped(browser: Browser, gateway: Served) -> None:
    """What does not fit is refused in words; stopping ends the request; a new chat is another
    conversation.
    """
    with opened(browser, 390) as (page, _):
        page.goto(f"{gateway.base_url}/dashboard/playground", wait_until="load")
        page.locator("#message").fill("word " * 3000)
        page.locator("#send").click()
        expect(page.locator(".turn .state")).to_contain_text("context", timeout=ANSWER_MS)
        page.locator("#reset").click()
        expect(page.locator(".turn")).to_have_count(0)
        page.locator("#max_tokens").fill("900")
        page.locator("#message").fill("Tell me a very long story.")
        page.locator("#send").click()
        expect(page.locator(".answered")).not_to_be_empty(timeout=ANSWER_MS)
        page.locator("#stop").click()
        expect(page.locator(".state")).to_contain_text("Stopped")
        width, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width <= room
    until(
        lambda: gateway.rows("SELECT 1 FROM requests WHERE status = 'cancelled'"), 10, "the cancelled request"
    )


def test_pages_of_a_real_gateway_say_what_the_api_says(gateway: Served) -> None:
    """The Latency page has the rows of `/api/stats`, the Health page the word of `/readyz`, the Settings
    page the flags.
    """
    assert gateway.chat().status_code == 200
    until(lambda: not gateway.rows("SELECT 1 FROM requests WHERE status = 'running'"), 10, "the rows")
    rows = until(
        lambda: httpx.get(f"{gateway.base_url}/api/stats?since=24h&model={MODEL}").json()["rows"],
        10,
        "statistics",
    )
    latency = httpx.get(f"{gateway.base_url}/dashboard/latency?window=24h&model={MODEL}").text
    for row in rows:
        assert f'<th scope="row">{row["group"] or "not counted"}</th>' in latency
    assert "answers 200" in httpx.get(f"{gateway.base_url}/dashboard/health").text
    settings = httpx.get(f"{gateway.base_url}/dashboard/settings?q=engine.n_ctx").text
    assert "1024" in settings
    assert ">flag<" in settings.replace("\n", "")
    assert str(gateway.home) in httpx.get(f"{gateway.base_url}/dashboard/settings?q=home").text
