"""Streams of pages that follow along: rendered again after every change, and only what differs is sent.

Each event holds `<hx-partial>` elements (htmx 4), one per changed block; a block's root element has the name
of the block as its id, and is morphed in place, so that focus, selection and scrolling stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping

from dashboard.page import PageView
from telemetry.live import LiveView

TICK_S = 1.0
"""A view is rendered at least this often, so that elapsed times move."""

STORE_INTERVAL_S = 3.0
"""Shortest time between two reads of the store for one follower."""

REST = 9.0
"""Times as long as a read took pass before the next: a long window keeps nobody's disk busy."""

KEEP_ALIVE_S = 15.0
"""A comment is sent after this long without a change, so that proxies keep the connection."""

END_EVENT = "done"
"""The event after which the page closes the stream."""


async def follow(
    live: LiveView,
    view: PageView,
    fragments: Callable[[], Mapping[str, str]],
) -> AsyncGenerator[str, None]:
    """Server-sent events for a view, until it has ended or the client goes.

    `fragments` gives the HTML of each block at this moment, by the block's name.
    """
    sent: dict[str, str] = {}
    loop = asyncio.get_running_loop()
    told_at, due_at = loop.time(), await refreshed(view)
    async for _ in pulses(live):
        if loop.time() >= due_at:
            due_at = await refreshed(view)
        changed = {block: html for block, html in fragments().items() if sent.get(block) != html}
        sent.update(changed)
        if changed:
            yield event(changed)
            told_at = loop.time()
        elif loop.time() - told_at >= KEEP_ALIVE_S:
            yield ": nothing changed\n\n"
            told_at = loop.time()
        if view.ended:
            yield f"event: {END_EVENT}\ndata: \n\n"
            return


async def refreshed(view: PageView) -> float:
    """Read the store; returns when it may be read again."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await view.refresh()
    return loop.time() + max(STORE_INTERVAL_S, REST * (loop.time() - began))


def event(fragments: Mapping[str, str]) -> str:
    """One server-sent event that morphs each fragment over the element of its name."""
    parts = [_partial(block, html) for block, html in fragments.items()]
    lines = "".join(parts).splitlines()
    return "".join(f"data: {line}\n" for line in lines) + "\n"


def _partial(block: str, html: str) -> str:
    return f'<hx-partial hx-target="#{block}" hx-swap="outerMorph">{html}</hx-partial>'


async def pulses(live: LiveView, tick_s: float = TICK_S) -> AsyncGenerator[None, None]:
    """Yields at each change of the live view, and at least every `tick_s`."""
    changes = live.changes()
    pending = asyncio.ensure_future(anext(changes))
    try:
        while True:
            await asyncio.wait({pending}, timeout=tick_s)
            if pending.done():
                pending.result()
                pending = asyncio.ensure_future(anext(changes))
            yield
    finally:
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)
