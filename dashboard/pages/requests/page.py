"""The registration of the Requests page."""

from __future__ import annotations

from pathlib import Path

from dashboard.page import Page
from dashboard.pages.requests.context import RequestsContext
from dashboard.pages.requests.view import RequestsView

REQUESTS = Page(
    key="requests",
    title="Requests",
    path="/requests",
    about="every request, by model, prompt size, status and time",
    folder=Path(__file__).parent,
    context=RequestsContext,
    view=RequestsView.from_query,
    parameters=("model", "context", "status", "since", "until", "before", "after"),
    blocks=("store_note", "listing"),
)
