"""The registration of the Health page."""

from __future__ import annotations

from pathlib import Path

from dashboard.page import Page
from dashboard.pages.health.context import HealthContext
from dashboard.pages.health.view import HealthPageView

HEALTH = Page(
    key="health",
    title="Health",
    path="/health",
    about=(
        "every part now, the gravest first, with what to do: engines (state, heartbeat, restarts, last "
        "failure), queue, store, event loop, disk, objectives, OTLP exporters, energy. It agrees with "
        "`/readyz`"
    ),
    folder=Path(__file__).parent,
    context=HealthContext,
    view=HealthPageView.from_query,
    blocks=("verdict", "parts"),
)
