"""Every page's template and what it gets."""

from __future__ import annotations

from dashboard.contexts import CacheContext, ErrorContext, LiveContext, ModelsContext, OverviewContext, RequestContext, RequestsContext
from dashboard.conversation_context import ConversationContext, ConversationsContext
from dashboard.health_context import HealthContext
from dashboard.latency_context import LatencyContext
from dashboard.playground_context import PlaygroundContext
from dashboard.settings_context import SettingsContext

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
