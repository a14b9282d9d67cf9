"""Conversations: paging, sums, turns, the forecast, and what each says where nothing was measured."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from dashboard.words.forecast import MIN_STEPS, forecast
from telemetry.store.queries import conversations
from telemetry.store.queries.requests import Cursor
from tests.dashboard.chats import ANSWER_TOKENS, FAILED_TURN, FIRST_TOKENS, LONG, STEP_TOKENS, TURNS
from tests.dashboard.conftest import Pages
from tests.dashboard.samples import CONFIG, NOW, row

LONG_URL = f"/conversations/{quote(LONG, safe='')}"


def test_the_list_sums_up_each_conversation(busy: Pages) -> None:
    """Newest turn first; tokens, failures and the cached share equal those of its rows."""
    found = busy.run(conversations.page(busy.site.engine, Cursor())).conversations
    assert [one.last.conversation_id for one in found] == [LONG, "short-0", "short-1", "short-2"]
    first = found[0]
    prompts = [FIRST_TOKENS + n * STEP_TOKENS for n in range(TURNS)]
    assert (first.turns, first.failed, first.prompt_tokens) == (TURNS, 1, sum(prompts))
    assert first.completion_tokens == (TURNS - 1) * ANSWER_TOKENS
    looked_up = [prompt for n, prompt in enumerate(prompts) if n != FAILED_TURN]
    assert first.served_tokens == sum(looked_up)
    assert first.cached_tokens == sum(prompt - STEP_TOKENS for prompt in looked_up[1:])
    assert first.n_ctx == CONFIG.n_ctx
    assert [one.turns for one in found] == [TURNS, 1, 2, 3]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_paging_meets_every_conversation_once(busy: Pages, size: int) -> None:
    """Forward to the end and back again gives the same pages."""

    async def walk() -> None:
        engine, cursor, forward = busy.site.engine, Cursor(), []
        newer: Cursor | None = None
        while True:
            found = await conversations.page(engine, cursor, size)
            forward.append([one.last.conversation_id for one in found.conversations])
            newer = found.newer
            if found.older is None:
                break
            cursor = found.older
        assert [name for names in forward for name in names] == [LONG, "short-0", "short-1", "short-2"]
        back = []
        while newer is not None:
            found = await conversations.page(engine, newer, size)
            back.append([one.last.conversation_id for one in found.conversations])
            newer = found.newer
        assert back == list(reversed(forward[:-1]))

    busy.run(walk())


def test_turns_are_numbered_through_all_pages(busy: Pages) -> None:
    """The newest ones, then those before them, without a gap."""
    engine = busy.site.engine
    newest = busy.run(conversations.turns(engine, LONG, limit=5))
    assert (newest.first_number, newest.total, len(newest.rows)) == (TURNS - 4, TURNS, 5)
    earlier = busy.run(conversations.turns(engine, LONG, newest.rows[0].seq, limit=50))
    assert (earlier.first_number, earlier.total, len(earlier.rows)) == (1, TURNS, TURNS - 5)
    assert [found.seq for found in (*earlier.rows, *newest.rows)] == sorted(
        found.seq for found in (*earlier.rows, *newest.rows)
    )
    assert busy.run(conversations.turns(engine, "absent")).total == 0


def test_the_index_of_conversations_is_used(busy: Pages) -> None:
    """Neither the list nor the turns of one read all requests."""

    async def plans() -> list[str]:
        async with AsyncSession(busy.site.engine) as session:
            found = []
            for statement in (
                (
                    "SELECT conversation_id, max(seq) FROM requests WHERE conversation_id IS NOT NULL GROUP"
                    " BY 1 ORDER BY 2 DESC LIMIT 51"
                ),
                "SELECT * FROM requests WHERE conversation_id = 'x' ORDER BY seq DESC LIMIT 200",
            ):
                rows = (await session.execute(text(f"EXPLAIN QUERY PLAN {statement}"))).all()
                found.append(str(rows[0][3]))
            return found

    assert all("ix_requests_conversation_seq" in plan for plan in busy.run(plans()))


def test_one_conversation_turn_by_turn(busy: Pages) -> None:
    """Each turn links to its request; what a failed turn has not is not measured; the forecast says how it
    came about.
    """
    page = html.unescape(busy.get(LONG_URL).text)
    assert LONG in page
    links = re.findall(r'href="/dashboard/requests/(req_[0-9a-f]+)"', page)
    assert links == [f"req_{5000 + n:024x}" for n in range(TURNS)]
    failed = page[page.index(links[FAILED_TURN]) : page.index(links[FAILED_TURN + 1])]
    assert failed.count("not measured") == 5
    last = FIRST_TOKENS + (TURNS - 1) * STEP_TOKENS + ANSWER_TOKENS
    assert f"{last:,} are taken" in page
    # the last ten steps between answered turns, one of them over the failed turn
    growth = 11 * STEP_TOKENS / 10
    assert f"is full in about {int((CONFIG.n_ctx - last) / growth)} turns" in page
    assert "(estimated)" in page
    assert "turn 1: 180 ms" in page
    assert f"turn {FAILED_TURN + 1}: not measured" in page
    assert "A turn of" in busy.get(f"/requests/{links[0]}").text


def test_a_short_conversation_has_no_forecast(busy: Pages) -> None:
    """Turns that do not grow, and too few of them, forecast nothing."""
    for name in ("short-0", "short-2"):
        page = busy.get(f"/conversations/{name}").text
        assert "estimated" not in page
        assert "is not measured" in page


def test_what_was_never_measured_reads_so(pages: Pages) -> None:
    """A conversation of one refused request has words where figures would be."""

    async def fill() -> None:
        async with AsyncSession(pages.site.engine) as session:
            nothing = dict.fromkeys(
                (
                    "prompt_tokens",
                    "cached_tokens",
                    "completion_tokens",
                    "ttft_ms",
                    "decode_tps",
                    "cache_reason",
                )
            )
            session.add(
                row(
                    NOW - timedelta(minutes=1),
                    1,
                    conversation_id="<b>refused</b>",
                    status="error",
                    engine_config_id=None,
                    **nothing,
                )
            )
            await session.commit()

    pages.run(fill())
    listed = pages.get("/conversations").text
    assert listed.count(">not measured<") == 5
    own = pages.get("/conversations/%3Cb%3Erefused%3C%2Fb%3E")
    assert own.status_code == 200
    assert own.text.count(">not measured<") == 6
    assert own.text.count(">Not measured.<") == 3
    assert "<b>refused" not in listed + own.text


def test_there_is_no_such_conversation(busy: Pages) -> None:
    """404, with the name and a way back."""
    response = busy.get("/conversations/absent")
    assert response.status_code == 404
    assert "No such conversation" in response.text


def test_an_empty_list_says_how_to_name_one(pages: Pages) -> None:
    """The command holds the field that makes a conversation."""
    assert "conversation_id" in pages.get("/conversations").text


def test_what_the_forecast_says() -> None:
    """The mean of the last steps; what is full has none left; history that was cut counts from there."""
    found = forecast([100, 200, 300], 1000)
    assert found is not None
    assert (found.tokens_per_turn, found.turns_left, found.used, found.steps) == (100, 7, 300, 2)
    assert forecast([100, None, 300, 400], 1000) == forecast([100, 300, 400], 1000)
    cut = forecast([5000, 9000, 100, 200, 300], 1000)
    assert cut == found
    full = forecast([800, 900, 1001], 1000)
    assert full is not None
    assert full.turns_left == 0


@pytest.mark.parametrize(
    "used", [[], [1], [1, 2], [3, 2, 1], [5, 5, 5], [None, None, None, 7, 8], [1, 2, 3, 2, 3]]
)
def test_too_little_forecasts_nothing(used: list[int | None]) -> None:
    """Fewer than two steps of growth in a row say nothing; neither does an unknown context."""
    assert forecast(used, 1000) is None
    assert forecast([1, 2, 3, 4], None) is None


@given(st.lists(st.integers(0, 10_000) | st.none(), max_size=30), st.integers(1, 20_000))
def test_a_forecast_never_lies_about_its_evidence(used: list[int | None], n_ctx: int) -> None:
    """It is there only with growth, and that many turns of that growth still fit while one more does not."""
    found = forecast(used, n_ctx)
    if found is None:
        return
    assert found.steps >= MIN_STEPS
    assert found.tokens_per_turn > 0
    assert found.used == next(tokens for tokens in reversed(used) if tokens is not None)
    if found.turns_left:
        assert found.used + found.turns_left * found.tokens_per_turn <= n_ctx + 1e-6
    assert found.used + (found.turns_left + 1) * found.tokens_per_turn > n_ctx
