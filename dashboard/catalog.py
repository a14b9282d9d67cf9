"""Every page, in the order of the menu: a new one is its folder, and its line here."""

from __future__ import annotations

from dashboard.page import Page
from dashboard.pages.cache.page import CACHE
from dashboard.pages.conversation.page import CONVERSATION
from dashboard.pages.conversations.page import CONVERSATIONS
from dashboard.pages.health.page import HEALTH
from dashboard.pages.latency.page import LATENCY
from dashboard.pages.live.page import LIVE
from dashboard.pages.models.page import MODELS
from dashboard.pages.overview.page import OVERVIEW
from dashboard.pages.playground.page import PLAYGROUND
from dashboard.pages.request.page import REQUEST
from dashboard.pages.requests.page import REQUESTS
from dashboard.pages.settings.page import SETTINGS

PAGES: tuple[Page, ...] = (
    OVERVIEW,
    LIVE,
    LATENCY,
    REQUESTS,
    REQUEST,
    CONVERSATIONS,
    CONVERSATION,
    MODELS,
    CACHE,
    PLAYGROUND,
    HEALTH,
    SETTINGS,
)
