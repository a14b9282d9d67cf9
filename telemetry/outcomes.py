"""Outcomes: how a request ended, in one word; pure. Whatever counts requests that failed counts these."""

from __future__ import annotations

from enum import StrEnum

from telemetry.events import CacheReason, Status
from telemetry.record import RequestRecord
from telemetry.semconv import SERVER_FAILURES


class Outcome(StrEnum):
    """The word: the label of `firsttoken.requests`."""

    OK = "ok"
    FAILED = "failed"
    """By us."""
    CLIENT_ERROR = "client_error"
    """By the client's mistake."""
    CANCELLED = "cancelled"
    """Its client left."""


REJECTIONS = (
    "body_timeout",
    "body_too_large",
    "empty_messages",
    "engine_unavailable",
    "invalid_content",
    "invalid_content_encoding",
    "invalid_json",
    "invalid_role",
    "invalid_value",
    "missing_required_parameter",
    "model_not_found",
    "queue_full",
    "too_many_bodies",
    "unsupported_content",
    "unsupported_content_encoding",
    "unsupported_parameter",
    "unsupported_tool",
)
"""Reasons to turn a request away: codes of the API (a test compares them with its source)."""

FINISH_REASONS = ("stop", "length", "tool_calls")

BROKEN_BY_CLIENT = frozenset(
    {
        CacheReason.SYSTEM_CHANGED,
        CacheReason.TOOLS_CHANGED,
        CacheReason.HISTORY_EDITED,
        CacheReason.VOLATILE_PREFIX,
    }
)
"""Reasons of the prefix cache for which a prompt was computed
again though one like it was there, by what the client changed.
"""


def outcome(record: RequestRecord) -> Outcome:
    """Of a request that ended."""
    if record.status is Status.OK:
        return Outcome.OK
    if record.status is Status.CANCELLED:
        return Outcome.CANCELLED
    return Outcome.FAILED if record.error_type in SERVER_FAILURES else Outcome.CLIENT_ERROR
