"""The registration of the Cache page."""

from __future__ import annotations

from pathlib import Path

from dashboard.page import Page
from dashboard.pages.cache.context import CacheContext
from dashboard.pages.cache.view import CacheView

CACHE = Page(
    key="cache",
    title="Cache",
    path="/cache",
    about="what the prefix cache gave, why prompts were computed all the same, what it holds",
    folder=Path(__file__).parent,
    context=CacheContext,
    view=CacheView.from_query,
    parameters=("window",),
    blocks=("store_note", "figures", "ledger", "tiers"),
)
