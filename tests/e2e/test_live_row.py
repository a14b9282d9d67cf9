"""A person watches a real request run: real model, real Chromium."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS
from tests.e2e.serving import Served, until

SEEN = "() => document.querySelector('tr[id^=request-] .phase')?.textContent.trim() ?? ''"


def test_a_running_request_moves_through_its_phases(served: Served) -> None:
    """Without a reload, the row of a long request shows prefill, then decode, then leaves; its page has the
    waterfall, and the page says the same figures as the database.
    """
    with sync_playwright() as playwright, ThreadPoolExecutor(1) as pool:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.goto(f"{served.base_url}/dashboard/requests")
        page.evaluate("window.sameDocument = true")
        answer = pool.submit(
            lambda: served.chat(
                "Once upon a time there was a fox. " * 120 + "Continue this story with many details.",
                max_tokens=150,
                temperature=1,
                seed=1,
            )
        )
        phases: list[str] = []

        def gone() -> bool:
            phase = page.evaluate(SEEN)
            if phase and phase not in phases:
                phases.append(phase)
            page.wait_for_timeout(50)
            return answer.done() and not phase

        until(gone, 60, "the row to leave")
        assert page.evaluate("window.sameDocument")
        # the last bytes may be seen to leave
        assert [phase for phase in phases if phase != "stream"][-2:] == ["prefill", "decode"]
        request_id = answer.result().headers["x-request-id"]
        row = served.row(request_id)
        page.goto(f"{served.base_url}/dashboard/requests/{request_id}")
        assert page.locator("svg").count() >= 1
        assert f"{row['prompt_tokens']:,}" in page.inner_text("main")
        assert "unaccounted" in page.inner_text("main")
        browser.close()
