"""The context of the Request page's template."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from dashboard.charts.cache_map import CacheMap
from dashboard.charts.geometry import Waterfall
from dashboard.pages.live.context import RunningRow
from dashboard.words.content import ContentView, Difference
from dashboard.words.delays import DelaysView
from dashboard.words.facts import Fact


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request."""

    request_id: Annotated[str, "`x-request-id`."]
    found: Annotated[bool, "Whether such a request runs or is recorded."]
    status: Annotated[str, "running, ok, error, cancelled or interrupted."]
    running: Annotated[RunningRow | None, "Its present state while it runs."]
    started_at: Annotated[datetime | None, "When its first byte was read (UTC)."]
    waterfall: Annotated[Waterfall | None, "Where its time went, or None when no phases are recorded."]
    numbers: Annotated[tuple[Fact, ...], "Tokens, times and rates."]
    parameters: Annotated[tuple[Fact, ...], "Sampling parameters as sent, and fields that were not obeyed."]
    identity: Annotated[tuple[Fact, ...], "Ids and what served it."]
    cache: Annotated[tuple[Fact, ...], "What the prefix cache gave."]
    cache_words: Annotated[str, "The cache reason in words."]
    delays: Annotated[DelaysView, "Which requests it waited for, and which waited for it."]
    energy: Annotated[tuple[Fact, ...], "What energy it took, and what it cost where anything has a price."]
    cache_map: Annotated[CacheMap | None, "The prompt's messages and what the cache had; None: not recorded."]
    difference: Annotated[Difference | None, "The first text unlike the nearest prompt's; None: not known."]
    content: Annotated[ContentView | None, "What was said, or None where that is not kept."]
    content_words: Annotated[str, "Why there is no content, and which setting keeps it."]
    conversation_id: Annotated[str | None, "The conversation it is a turn of, or None."]
    error_type: Annotated[str, "`error.type`, or ''."]
    error_message: Annotated[str, "The error as the client got it, or ''."]
    error_words: Annotated[str, "What the error means and what to do, or ''."]
    same_id: Annotated[int, "How many recorded requests share this id; this is the newest."]
    curl: Annotated[str, "A command that sends such a request again; the messages are a placeholder."]
    store_error: Annotated[str, "Why the store could not be read, or ''."]
