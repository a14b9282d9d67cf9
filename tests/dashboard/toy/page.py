"""The registration of the toy."""

from __future__ import annotations

from pathlib import Path

from dashboard.page import Page
from tests.dashboard.toy.context import ToyContext
from tests.dashboard.toy.view import ToyView

TOY = Page(
    key="toy",
    title="Toy",
    path="/toy",
    about="how many requests run now",
    folder=Path(__file__).parent,
    context=ToyContext,
    view=ToyView.from_query,
    parameters=("model",),
    blocks=("counter",),
)
