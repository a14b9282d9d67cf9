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
    about="a streamed chat with this gateway's API, with timings and links to requests; needs JavaScript",
    folder=Path(__file__).parent,
    context=PlaygroundContext,
    view=PlaygroundView.from_query,
)
