"""The registration of the Live page."""

from __future__ import annotations

from pathlib import Path

from dashboard.page import Page
from dashboard.pages.live.context import LiveContext
from dashboard.pages.live.view import LiveNowView

LIVE = Page(
    key="live",
    title="Live",
    path="/live",
    about=(
        "what runs at this moment, phase by phase, as the engines tell it: how far each request is, its "
        "time beside that of the longest one, and slots, queue, KV cache, memory and threads of each engine "
        "(of one without a process: none)"
    ),
    folder=Path(__file__).parent,
    context=LiveContext,
    view=LiveNowView.from_query,
    blocks=("store_note", "nothing", "running", "engines"),
)
