"""The pages that the menu lists, in its order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the menu; `key` is what a page's layout calls itself."""

    key: str
    label: str
    url: str


NAVIGATION = (
    Entry("overview", "Overview", "/dashboard"),
    Entry("live", "Live", "/dashboard/live"),
    Entry("latency", "Latency", "/dashboard/latency"),
    Entry("requests", "Requests", "/dashboard/requests"),
    Entry("conversations", "Conversations", "/dashboard/conversations"),
    Entry("models", "Models", "/dashboard/models"),
    Entry("cache", "Cache", "/dashboard/cache"),
    Entry("playground", "Playground", "/dashboard/playground"),
    Entry("health", "Health", "/dashboard/health"),
    Entry("settings", "Settings", "/dashboard/settings"),
)
