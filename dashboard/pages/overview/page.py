"""The registration of the Overview page."""

from __future__ import annotations

from pathlib import Path

from dashboard.page import Page
from dashboard.pages.overview.context import OverviewContext
from dashboard.pages.overview.view import OverviewView

OVERVIEW = Page(
    key="overview",
    title="Overview",
    path="/",
    about="requests, tokens, TTFT, rates, objectives and engines, now and over a window",
    folder=Path(__file__).parent,
    context=OverviewContext,
    view=OverviewView.from_query,
    parameters=("window",),
    blocks=("store_note", "figures", "objectives", "running", "engines", "charts"),
)
