"""The context of the Requests page's template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dashboard.pages.live.context import RunningRow
from telemetry.store.models import RequestRow


@dataclass(frozen=True, slots=True)
class RequestsContext:
    """The list of requests."""

    model: Annotated[str, "The chosen model, or '' for all."]
    context: Annotated[str, "The chosen context bucket, or '' for all."]
    status: Annotated[str, "The chosen status, or '' for all."]
    since: Annotated[str, "Only requests admitted at or after this time (UTC, as typed), or ''."]
    until: Annotated[str, "Only requests admitted before this time (UTC, as typed), or ''."]
    models: Annotated[tuple[str, ...], "Models to choose from."]
    contexts: Annotated[tuple[str, ...], "Context buckets to choose from."]
    statuses: Annotated[tuple[str, ...], "Statuses to choose from."]
    rows: Annotated[tuple[RequestRow, ...], "Recorded requests, newest first."]
    running: Annotated[tuple[RunningRow, ...], "Requests that run now and match; on the newest page only."]
    newest: Annotated[bool, "This is the newest page, the one that follows along."]
    older_url: Annotated[str, "The next page, or ''."]
    newer_url: Annotated[str, "The previous page, or ''."]
    filtered: Annotated[bool, "A filter is set."]
    store_error: Annotated[str, "Why the store could not be read, or ''."]
    curl: Annotated[str, "A command that sends a first request."]
