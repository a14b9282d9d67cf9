"""The registration of the Playground page."""

from __future__ import annotations

from pathlib import Path

from dashboard.page import Page
from dashboard.pages.playground.context import PlaygroundContext
from dashboard.pages.playground.view import PlaygroundView

PLAYGROUND = Page(
    key="playground",
    title="Playground",
    path="/playground",
    about=(
        "a chat with this gateway's own API, streamed, with the timings of each answer and a link to its "
        "request; needs JavaScript"
    ),
    folder=Path(__file__).parent,
    context=PlaygroundContext,
    view=PlaygroundView.from_query,
)
