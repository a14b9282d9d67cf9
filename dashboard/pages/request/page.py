"""The registration of the Request page."""

from __future__ import annotations

from pathlib import Path

from dashboard.page import Page
from dashboard.pages.request.context import RequestContext
from dashboard.pages.request.view import RequestView

REQUEST = Page(
    key="request",
    title="Request",
    path="/requests/{request_id:str}",
    about=(
        "one request: its phases as a waterfall, which requests it waited for, what the prefix cache had of "
        "its prompt, its tokens, rates, energy and parameters"
    ),
    folder=Path(__file__).parent,
    context=RequestContext,
    view=RequestView.from_query,
    parameters=("request_id",),
    blocks=("detail",),
    entry="requests",
)
