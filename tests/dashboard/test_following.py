"""The stream of fragments: only what changed, at a page's own blocks, until there is nothing to follow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from dashboard import following as following_module
from dashboard.catalog import PAGES
from dashboard.following import event, pulses
from dashboard.page import Page
from dashboard.pages.live.page import LIVE
from dashboard.pages.live.view import LiveNowView
from dashboard.pages.request.page import REQUEST
from dashboard.pages.request.view import RequestView
from dashboard.routes import PageRoutes, declared
from telemetry.events import Phase, Status
from tests.dashboard.conftest import Pages
from tests.dashboard.samples import MS, NOW, finished_record, record, row

IN_TIME_S = 5.0


async def following(stream: AsyncIterator[str]) -> str:
    """The next event."""
    return await asyncio.wait_for(anext(stream), IN_TIME_S)


def followed(pages: Pages, page: Page, **given: str) -> AsyncGenerator[str, None]:
    """The stream that follows a page."""
    deps = pages.site.deps()
    return PageRoutes(deps, PAGES).follow(page, page.view(deps, declared(given.items(), page)))


def test_only_changed_blocks_are_sent(pages: Pages) -> None:
    """First everything, then the block that moved; a phase's change is told without asking."""

    async def watch() -> None:
        sink = pages.site.sink
        stream = followed(pages, LIVE)
        assert 'hx-target="#engines"' in await following(stream)
        made = record()
        sink.admitted(made)
        told = await following(stream)
        assert 'hx-target="#running"' in told
        assert 'hx-target="#engines"' not in told
        made.current_phase = Phase.QUEUE
        sink.changed(made)
        assert 'class="phase phase-queue">queue' in await following(stream)
        await stream.aclose()

    pages.run(watch())


@pytest.mark.parametrize("page", [page for page in PAGES if page.blocks], ids=lambda page: page.key)
def test_every_page_that_follows_sends_its_blocks(busy: Pages, page: Page) -> None:
    """The first event holds every block of the page, each under the id that is morphed."""

    async def first() -> str:
        stream = followed(busy, page, request_id="req_000000000000000000000000", conversation_id="short-2")
        told = await following(stream)
        await stream.aclose()
        return told

    told = busy.run(first())
    for block in page.blocks:
        assert f'hx-target="#{block}"' in told
        assert f'id="{block}"' in told


def test_the_stream_of_a_request_ends_with_it(busy: Pages) -> None:
    """A request that is recorded is shown once more, and then the page is told to close the stream."""

    async def watch() -> list[str]:
        return [told async for told in followed(busy, REQUEST, request_id="req_000000000000000000000000")]

    told = busy.run(watch())
    assert 'hx-target="#detail"' in told[0]
    assert told[-1].startswith("event: done")


def test_a_slow_store_is_read_less_often(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause after a read is nine times as long as the read, and never shorter than the usual one."""
    monkeypatch.setattr(following_module, "STORE_INTERVAL_S", 0.0)

    class Slow(LiveNowView):
        async def refresh(self) -> None:
            await asyncio.sleep(0.02)

    async def pause() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        due = await following_module.refreshed(Slow(pages.site.deps()))
        return due - began, loop.time() - began

    until_due, took = pages.run(pause())
    assert until_due >= 10 * 0.02
    assert until_due <= 10 * took
    monkeypatch.setattr(following_module, "STORE_INTERVAL_S", 1000.0)
    assert pages.run(pause())[0] > 1000


def test_pulses_come_without_changes(pages: Pages) -> None:
    """Elapsed times move although nothing happens."""

    async def watch() -> int:
        seen = 0
        async for _ in pulses(pages.site.sink, tick_s=0.01):
            seen += 1
            if seen == 3:
                return seen
        return seen

    assert pages.run(watch()) == 3


def test_an_event_keeps_its_lines() -> None:
    """Each line of a fragment is a data line; the event ends with an empty one."""
    assert (
        event({"a": "<p>\nx</p>"})
        == 'data: <hx-partial hx-target="#a" hx-swap="outerMorph"><p>\ndata: x</p></hx-partial>\n\n'
    )


@pytest.mark.parametrize(
    "query", ["view=nothing", "view=overview&window=3y", "view=requests&status=odd", "view=latency&heat=odd"]
)
def test_a_wrong_stream_is_refused(pages: Pages, query: str) -> None:
    """Parameters are checked before the stream begins."""
    assert pages.get(f"/live?{query}", Accept="text/event-stream").status_code == 400


def test_a_request_that_has_just_ended_is_shown_until_the_store_has_it(pages: Pages) -> None:
    """Between its end and its row the page keeps the live figures; then it shows the row, and has ended."""

    async def watch() -> None:
        view, made = RequestView(pages.site.deps(), "req_a"), finished_record()
        made.request_id, made.ended_ns = "req_a", None
        pages.site.sink.admitted(made)
        assert view.context().running is not None
        made.ended_ns, made.status = 1068 * MS, Status.OK
        pages.site.sink.completed(made)
        await view.refresh()
        assert (view.context().found, view.context().status, view.context().running, view.ended) == (
            True,
            "ok",
            None,
            False,
        )
        async with AsyncSession(pages.site.engine) as session:
            session.add(row(NOW, 1, seq=made.seq, id="req_a", engine_config_id=None, completion_tokens=4321))
            await session.commit()
        await view.refresh()
        assert "4,321" in str(view.context().numbers)
        assert view.ended

    pages.run(watch())
