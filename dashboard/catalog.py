"""Every page's template and what it gets."""

from __future__ import annotations

from dashboard.layout import ErrorContext
from dashboard.pages.cache.context import CacheContext
from dashboard.pages.conversations.context import ConversationContext, ConversationsContext
from dashboard.pages.health.context import HealthContext
from dashboard.pages.latency.context import LatencyContext
from dashboard.pages.live.context import LiveContext
from dashboard.pages.models.context import ModelsContext
from dashboard.pages.overview.context import OverviewContext
from dashboard.pages.playground.context import PlaygroundContext
from dashboard.pages.request.context import RequestContext
from dashboard.pages.requests.context import RequestsContext
from dashboard.pages.settings.context import SettingsContext

PAGES = {
    "overview.html": OverviewContext,
    "latency.html": LatencyContext,
    "requests.html": RequestsContext,
    "request.html": RequestContext,
    "conversations.html": ConversationsContext,
    "conversation.html": ConversationContext,
    "models.html": ModelsContext,
    "cache.html": CacheContext,
    "live.html": LiveContext,
    "health.html": HealthContext,
    "settings.html": SettingsContext,
    "playground.html": PlaygroundContext,
    "error.html": ErrorContext,
}
"""Template → what it gets."""
