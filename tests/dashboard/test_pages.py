"""Every page: with figures, empty, and with a store that cannot be read; what all answers share."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dashboard.catalog import PAGES
from dashboard.router import SECURITY_HEADERS
from telemetry.health import StoreHealth
from tests.dashboard.conftest import Pages
from tests.dashboard.samples import FIRST, NOW, fill_requests, path_of, record, row, running_records

URLS = [path_of(page, request_id=FIRST, conversation_id="short-2") for page in PAGES]


async def break_store(pages: Pages) -> None:
    """Take the tables away under the reader."""
    async with pages.site.engine.begin() as connection:
        for table in (
            "rollups",
            "rollup_histograms",
            "rollup_cache",
            "rollup_phases",
            "speed_changes",
            "request_phases",
            "requests",
            "series",
            "engine_config",
        ):
            await connection.execute(text(f"DROP TABLE {table}"))


@pytest.mark.parametrize("url", URLS)
def test_a_page_is_served_with_strict_headers_and_nothing_inline(busy: Pages, url: str) -> None:
    """Every page is 200, carries the policy, and holds no inline script, style or handler."""
    running_records(busy.site.sink, busy.site.now_ns or 0)
    response = busy.get(url)
    assert response.status_code == 200
    assert {name: response.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "'unsafe" not in response.headers["content-security-policy"]
    assert not re.search(
        r"\sstyle=|<style|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:|=\s*[\"']?https?://(?!127\.0\.0\.1)",
        response.text,
    )


@pytest.mark.parametrize("url", ["", "/requests", "/models", "/cache", "/live"])
def test_an_empty_site_says_what_to_do(pages: Pages, url: str) -> None:
    """Without requests each page is designed: it says so, and the first three pages of use say what to
    send.
    """
    response = pages.get(url)
    assert response.status_code == 200
    assert ("curl http://127.0.0.1:8080/v1/chat/completions" in response.text) == (
        url not in ("/models", "/cache")
    )
    assert "firsttoken serve --model" in response.text or url == "/requests"


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("", 200),
        ("/models", 200),
        ("/cache", 200),
        ("/latency", 503),
        ("/conversations", 503),
        ("/conversations/short-2", 503),
        ("/requests", 503),
        (f"/requests/{FIRST}", 503),
    ],
)
def test_an_unreadable_store_is_told_with_its_remedy(busy: Pages, url: str, status: int) -> None:
    """Pages with a live part stay 200, the others are 503; all say what failed and what to check."""
    busy.run(break_store(busy))
    response = busy.get(url)
    assert response.status_code == status
    assert "The store could not be read" in response.text
    assert "no such table" in response.text
    assert "store.url" in response.text


def test_a_dropping_store_is_told(busy: Pages) -> None:
    """The Overview says how many records were lost and why."""
    busy.site.health.written = StoreHealth(queued=7, dropped=1234, error="disk full")
    page = busy.get("").text
    assert "1,234 dropped" in page
    assert "disk full" in page


def test_the_overview_shows_the_roll_ups(busy: Pages) -> None:
    """Counters and percentiles of the window are on the page, and so is the engine's state."""
    page = busy.get("?window=1h").text
    for expected in ("Time to first token", "Output rate", "p99", "8 idle", "5,210", "842 ms", "412.0 MiB"):
        assert expected in page


def test_what_was_not_measured_says_so(busy: Pages) -> None:
    """NULL reads "not measured", in the list and on the request's page; never 0 and never blank."""
    failed = busy.get("/requests/req_000000000000000000000003").text
    assert "context_length_exceeded" in failed
    assert "The prompt has 9,120 tokens" in failed
    assert re.search(r"time to first token.*?not measured", failed, re.DOTALL)
    assert ">None<" not in failed
    assert "not measured" in busy.get("/requests?status=error").text


def test_the_waterfall_states_its_sum(busy: Pages) -> None:
    """Covered plus unaccounted is the wall time, as written; streaming is drawn beside decoding."""
    page = busy.get(f"/requests/{FIRST}").text
    covered, rest, wall = (
        float(value.replace(",", ""))
        for value in re.findall(r"cover ([\d.,]+) ms, unaccounted ([\d.,]+) ms, wall ([\d.,]+) ms", page)[0]
    )
    assert covered + rest == pytest.approx(wall)
    assert wall == 1068.0
    assert "beside decode" in page
    assert page.count("203 tokens") == 4
    assert "first token 422 ms" in page


@pytest.mark.parametrize("url", ["/requests/nobody", "/nothing/here", "/static/../x", "/static/absent.js"])
def test_an_unknown_address_gets_a_designed_page(busy: Pages, url: str) -> None:
    """404, HTML, with the same headers and a way back."""
    response = busy.get(url)
    assert response.status_code == 404
    assert response.headers["content-security-policy"] == SECURITY_HEADERS["content-security-policy"]
    assert "/dashboard/requests" in response.text


@pytest.mark.parametrize(
    "url",
    [
        "?window=3y",
        "/latency?heat=odd",
        "/conversations?before=x",
        "/conversations/short-2?before=-1",
        "/latency?window=3y",
        "/requests?status=odd",
        "/requests?since=yesterday",
        "/requests?before=-1",
        "/requests?after=x",
        "/models?window=1",
    ],
)
def test_a_wrong_parameter_is_answered_400(busy: Pages, url: str) -> None:
    """A wrong parameter is the caller's doing, and the page says which."""
    response = busy.get(url)
    assert response.status_code == 400
    assert "That address does not work" in response.text


def test_htmx_gets_only_the_content(busy: Pages) -> None:
    """One URL gives the page or its block, and caches are told to keep them apart."""
    block = busy.get("?window=15m", HX_Request="true")
    assert "<html" not in block.text
    assert "<h1>Overview</h1>" in block.text
    assert "HX-Request" in block.headers["vary"]
    assert "<html" in busy.get("", HX_Request="true", HX_History_Restore_Request="true").text


def test_names_and_ids_are_escaped(pages: Pages) -> None:
    """A model, an id or an error that is markup stays text everywhere."""
    evil = "<script>alert(1)</script>"

    async def fill() -> None:
        async with AsyncSession(pages.site.engine) as session:
            session.add(
                row(
                    NOW,
                    1,
                    id=evil[:64],
                    model=evil,
                    error_message=evil,
                    error_type="x",
                    engine_config_id=None,
                    params={evil: evil},
                )
            )
            await session.commit()

    pages.run(fill())
    pages.site.sink.admitted(record(2, request_id=evil, model=evil))
    for url in (
        "",
        "/requests",
        "/requests/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/live",
        "/models",
        "/%3Cscript%3Ealert(1)",
    ):
        assert "<script>alert" not in pages.get(url).text


def test_a_running_request_is_on_top_and_has_a_page(busy: Pages) -> None:
    """What runs stands above what is recorded, with its phase; its page follows it."""
    first, _ = running_records(busy.site.sink, busy.site.now_ns or 0)
    page = busy.get("/requests").text
    assert page.index(first.request_id) < page.index(FIRST)
    own = busy.get(f"/requests/{first.request_id}").text
    for lane in ("prefill", "decode", "stream"):
        assert f'id="lane-{lane}"' in own
    assert "71 of at most 128 tokens out" in own
    assert f"view=request&amp;request_id={first.request_id}" in own
    assert first.request_id not in busy.get("/requests?status=error").text


def test_a_recorded_row_of_a_running_request_is_not_shown_twice(busy: Pages) -> None:
    """The store's row of a request that still runs is left to the live one."""
    made = record(9)

    async def fill() -> None:
        async with AsyncSession(busy.site.engine) as session:
            session.add(row(NOW, 9, seq=made.seq, id=made.request_id, status="running"))
            await session.commit()

    busy.run(fill())
    busy.site.sink.admitted(made)
    assert busy.get("/requests").text.count(f'id="request-{made.seq}"') == 1


def test_the_newest_of_requests_that_share_an_id_is_shown(pages: Pages) -> None:
    """An id sent twice leads to the newer request, and the page says how many there are."""

    async def fill() -> None:
        await fill_requests(pages.site.engine, 1)
        async with AsyncSession(pages.site.engine) as session:
            session.add(row(NOW, 77, id=FIRST, completion_tokens=77_777))
            await session.commit()

    pages.run(fill())
    page = pages.get(f"/requests/{FIRST}").text
    assert "77,777" in page
    assert "2 requests share this id" in page


def test_the_overview_shows_the_objectives(busy: Pages) -> None:
    """Each objective in words, its state not by colour alone, what is left, and what was not measured."""
    page = busy.get("").text
    for expected in (
        "99% of requests answered",
        "95% of first tokens within 2.50 s",
        "fast burn",
        "70%",
        "99.7%",
        "not measured",
    ):
        assert expected in page, expected


def test_a_request_is_compared_with_its_like(busy: Pages) -> None:
    """The expected output rate of the same configuration and context bucket, and how many were slower."""
    page = busy.get(f"/requests/{FIRST}").text
    assert "expected output rate" in page
    assert "this one was faster than" in page
