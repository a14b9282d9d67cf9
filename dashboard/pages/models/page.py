"""The registration of the Models page."""

from __future__ import annotations

from pathlib import Path

from dashboard.page import Page
from dashboard.pages.models.context import ModelsContext
from dashboard.pages.models.view import ModelsView

MODELS = Page(
    key="models",
    title="Models",
    path="/models",
    about="engines, their effective configuration, speed by prompt size, energy, changes of speed",
    folder=Path(__file__).parent,
    context=ModelsContext,
    view=ModelsView.from_query,
    parameters=("window",),
    blocks=("store_note", "heat_maps", "models", "speed_changes", "configurations"),
)
