"""Words for what the record says in one term: cache reasons, errors, engine states."""

from __future__ import annotations

from dashboard.words import formats
from telemetry.events import CacheReason, EngineState
from telemetry.slo import Objective, ObjectiveReport, State

NOTHING_BEHIND = "and nothing behind the difference can be taken from the cache"

CACHE_REASONS = {
    CacheReason.FULL_HIT: "The whole prompt was known.",
    CacheReason.NEW_CONVERSATION: "A new conversation: nothing that is cached goes on like this prompt.",
    CacheReason.APPENDED: "It goes on from a known prompt: what follows that is new.",
    CacheReason.SYSTEM_CHANGED: f"The system message differs from the known one, {NOTHING_BEHIND}.",
    CacheReason.TOOLS_CHANGED: f"The tool definitions differ from the known ones, {NOTHING_BEHIND}.",
    CacheReason.HISTORY_EDITED: (
        f"The messages differ from those that this conversation had, {NOTHING_BEHIND}."
    ),
    CacheReason.TEMPLATE_CHANGED: "The chat template rendered the same messages to a different prompt.",
    CacheReason.VOLATILE_PREFIX: (
        "Something small near the start changes with every request (a date, a counter), which makes what"
        " follows it useless to the cache."
    ),
    CacheReason.EVICTED: "More of this prompt had been cached, and was evicted to make room.",
    CacheReason.ADAPTER_CHANGED: "More of this prompt was cached, with another adapter.",
    CacheReason.KV_TYPE_CHANGED: "More of this prompt was cached, with another KV type.",
    CacheReason.DISABLED: "The prefix cache is off, or was not to be used for this request (cache_prompt).",
    CacheReason.UNSUPPORTED: "This model's state cannot be cached.",
}
"""The reason why the rest of a prompt was not cached, true of any figures; `cached` says how much was."""

CACHE_REMEDIES = {
    CacheReason.SYSTEM_CHANGED: (
        "Keep the system message the same from request to request; put what changes into the last message."
    ),
    CacheReason.TOOLS_CHANGED: "Send the same tools in the same order.",
    CacheReason.HISTORY_EDITED: "Clients that shorten or rewrite old messages pay for it here.",
    CacheReason.VOLATILE_PREFIX: "Move what changes (a date, a counter) behind what stays.",
    CacheReason.EVICTED: "Raise engine.cache_ram_bytes or engine.cache_disk_bytes, or pin the prefix.",
    CacheReason.DISABLED: "Set engine.cache_ram_bytes, or leave cache_prompt on.",
}
"""Remedies by reason, where something can be done."""

SPEEDS = {"output_rate": "output rate", "prompt_rate": "prompt rate"}

MEMORY_PARTS = {"weights": "weights", "kv": "KV", "compute": "compute", "cache": "cached prefixes"}

CACHED_SHARE = "of the prompt tokens of requests that got their first token"
"""The whole that the cached share is of, wherever it is shown (`telemetry.store.queries.cached`)."""

CACHE_SOURCES = {"kv": "KV", "ram": "RAM", "disk": "disk", "none": "none"}

ERRORS = {
    "client_disconnect": "The client closed the connection before the answer was complete.",
    "context_length_exceeded": (
        "The prompt does not fit into the model's context. Send less, or raise engine.n_ctx."
    ),
    "engine_error": "The engine could not do this request, and goes on with others. The message says why.",
    "engine_unavailable": (
        "The engine was not there to answer. Its state and the reason are on the Models page."
    ),
    "internal_error": "The gateway failed on this request, which is a defect. Its log says why.",
    "model_not_found": "No model of this name is served. The Models page lists those that are.",
    "timeout": "The request took longer than server.request_timeout_s.",
    "record_lost": (
        "The request itself was served. The store could not be written for longer than its queue lasts, "
        "or refused the record; the log says why."
    ),
    "queue_full": "Too many requests were waiting. Retry later, or raise server.max_queue.",
}

SLO_STATES = {
    State.OK: "Some of the budget is left, and it is not being spent too fast now.",
    State.USED_UP: "The budget is used up; it is not being spent too fast now.",
    State.SLOW_BURN: (
        "The budget is spent more than six times too fast, over six hours and still over the last 30 minutes."
    ),
    State.FAST_BURN: (
        "The budget is spent more than 14.4 times too fast, over an hour and still over the last five"
        " minutes."
    ),
    State.UNKNOWN: "The store could not be read.",
}

SLO_NAMES = {
    State.OK: "ok",
    State.USED_UP: "used up",
    State.SLOW_BURN: "slow burn",
    State.FAST_BURN: "fast burn",
    State.UNKNOWN: "unknown",
}
"""The states of an objective in a table."""

ENGINE_STATES = {
    EngineState.STARTING: "The engine process is loading the model.",
    EngineState.READY: "The engine takes requests.",
    EngineState.RESTARTING: "The engine process ended and is being started again.",
    EngineState.FAILED: "The engine was given up after too many failures in a row.",
    EngineState.STOPPED: "The engine is stopped.",
}

ENGINE_REMEDIES = {
    EngineState.STARTING: "Wait: requests wait too, up to server.load_wait_s.",
    EngineState.RESTARTING: (
        "It is tried again, up to engine.max_restarts times in a row. Its log is in the folder logs of the"
        " home folder."
    ),
    EngineState.FAILED: (
        "Run `firsttoken doctor`, read its log in the folder logs of the home folder, mend what it says, and"
        " restart the gateway."
    ),
    EngineState.STOPPED: "The gateway is shutting down.",
}
"""Remedies for an engine that is not ready."""

CONDITIONS = {
    "well": "well",
    "off": "off",
    "unmeasured": "not measured",
    "warn": "needs attention",
    "bad": "not well",
}
"""How a part does (`dashboard.pages.health.context.Condition`)."""

STORE_REMEDY = "Check the database at store.url and its disk; serving goes on."

NO_CONTENT = (
    "Prompts and answers are not kept. The setting capture.content keeps those of requests from then on,"
    " redacted."
)
NO_CONTENT_YET = "It is kept when the request has ended."
NO_CONTENT_OF_IT = (
    "Nothing is kept of this request: it never reached an engine, is no chat, is from before capture.content"
    " was set, or is older than capture.retention_days (or what capture.max_bytes has room for)."
)


NO_LOOKUP = (
    "The prefix cache had no part in it: the request ended before its turn, or is of a kind that has no use"
    " for the cache."
)


def cache_reason(reason: str | None) -> str:
    """A cache reason in words."""
    if reason is None:
        return NO_LOOKUP
    known = {member.value: text for member, text in CACHE_REASONS.items()}
    return known.get(reason, f"The cache gave the reason {reason}.")


def cached(tokens: int | None, prompt_tokens: int | None) -> str:
    """The part of one prompt that the cache supplied, in words for any figures; '' where it is not known."""
    if tokens is None or not prompt_tokens:
        return ""
    rest = prompt_tokens - tokens
    if tokens <= 0:
        return "None of it came from the cache."
    if rest <= 1:
        return "All of it came from the cache but the last token, which is always computed."
    return f"The cache supplied its first {formats.count(tokens)} tokens of {formats.count(prompt_tokens)}."


def error(error_type: str | None) -> str:
    """The meaning of an error type and what to do about it, or ''."""
    return ERRORS.get(error_type or "", "")


def slo_state(found: ObjectiveReport) -> str:
    """An objective's state, whole: what there is no request for is not ok."""
    if found.state is State.OK and found.budget_left is None:
        return "There was no request to measure it by."
    if found.state is State.OK and found.burns.get(360) is None:
        return "Some of the budget is left; nothing of the last six hours to measure it by."
    return SLO_STATES[found.state]


def slo_name(found: ObjectiveReport) -> str:
    """An objective's state in a word or two."""
    if found.state is State.OK and found.burns.get(360) is None:
        return "no requests"
    return SLO_NAMES[found.state]


def objective(found: Objective) -> str:
    """An objective in words: how many of what must be how good."""
    share = formats.share(found.share)
    if found.threshold_ms is None:
        return f"{share} of requests answered"
    what = {"ttft": "first tokens", "inter_token": "gaps between tokens"}[found.name]
    return f"{share} of {what} within {formats.milliseconds(found.threshold_ms)}"
