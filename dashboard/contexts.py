"""What each page's template gets, as `page`: one frozen dataclass per page, each field annotated with its help.

Pages with more to them have a `…_context` module of their own; `dashboard.catalog` lists all. A test compares the fields with what the templates use. None means "not measured".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from dashboard.cache_map import CacheMap
from dashboard.charts import Bar, HeatCell, Waterfall
from dashboard.content import ContentView, Difference
from dashboard.delays import DelaysView
from dashboard.deps import StoreState
from dashboard.time_charts import TimeChart
from telemetry.live import LiveEngine
from telemetry.slo import ObjectiveReport
from telemetry.store.models import RequestRow, SpeedChangeRow
from telemetry.store.queries.cached import CacheShare
from telemetry.store.queries.groups import Group
from telemetry.store.queries.statistics import Spread, Totals
from telemetry.store.queries.windows import Window


@dataclass(frozen=True, slots=True)
class Layout:
    """What the frame around every page gets, as `layout`."""

    title: Annotated[str, "The page's name, in the title and in its heading."]
    active: Annotated[str, "The navigation entry that is this page's: a key of `dashboard.navigation`, or ''."]
    follow_url: Annotated[str, "The stream that keeps this page up to date, or '' for a page that does not change."]
    version: Annotated[str, "firsttoken's version."]
    status: Annotated[int, "The HTTP status that the page is sent with."]


@dataclass(frozen=True, slots=True)
class RunningRow:
    """One request that runs now."""

    seq: Annotated[int, "Unique number, the row's id in the page."]
    request_id: Annotated[str, "`x-request-id`."]
    model: Annotated[str | None, "The model that answers, or that was asked for."]
    phase: Annotated[str, "The current phase's name, as in metrics."]
    phase_label: Annotated[str, "The current phase in words."]
    elapsed_ms: Annotated[float, "Milliseconds since the first byte of the request."]
    prompt_tokens: Annotated[int | None, "Tokens of the prompt, once they were counted."]
    prefilled_tokens: Annotated[int | None, "Tokens of the prompt that are computed, while they are."]
    completion_tokens: Annotated[int | None, "Tokens sampled so far."]
    most_tokens: Annotated[int | None, "Output tokens that were asked for at most, or None."]
    progress: Annotated[float | None, "Per cent of the prompt, then of the output tokens at most; None where no end is known."]
    ttft_ms: Annotated[float | None, "Milliseconds to the first token, once it was sampled."]
    strip: Annotated[tuple[Bar, ...], "Its phases on one line, as long as its part of the longest running request's time."]


@dataclass(frozen=True, slots=True)
class OverviewContext:
    """The Overview: how the gateway does, now and over a window."""

    window: Annotated[Window, "The window that the statistics cover."]
    windows: Annotated[tuple[Window, ...], "The windows to choose from."]
    ever: Annotated[bool, "Whether any request was ever recorded."]
    totals: Annotated[Totals, "Requests and tokens in the window."]
    cache: Annotated[CacheShare, "The cached share, of requests that got their first token."]
    ttft: Annotated[Spread, "Time to first token in ms."]
    output_rate: Annotated[Spread, "Output tokens per second of a request, from its first to its last token."]
    inter_token: Annotated[Spread, "Time between two tokens of a request in ms."]
    prompt_rate: Annotated[Spread, "Computed prompt tokens per second of prefill."]
    charts: Annotated[tuple[TimeChart, ...], "The window over time."]
    engines: Annotated[tuple[LiveEngine, ...], "Every configured engine, as it is now."]
    objectives: Annotated[tuple[ObjectiveReport, ...], "The service-level objectives, as last looked at; empty before the first look."]
    now_s: Annotated[float, "This moment in Unix seconds, for the age of what was read before."]
    running: Annotated[tuple[RunningRow, ...], "Requests that run now, oldest first."]
    store: Annotated[StoreState, "How the store's writer does."]
    store_error: Annotated[str, "Why the store could not be read, or ''."]
    curl: Annotated[str, "A command that sends a first request."]


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
    running: Annotated[tuple[RunningRow, ...], "Requests that run now and match the filters; on the newest page only."]
    newest: Annotated[bool, "This is the newest page, the one that follows along."]
    older_url: Annotated[str, "The next page, or ''."]
    newer_url: Annotated[str, "The previous page, or ''."]
    filtered: Annotated[bool, "A filter is set."]
    store_error: Annotated[str, "Why the store could not be read, or ''."]
    curl: Annotated[str, "A command that sends a first request."]


@dataclass(frozen=True, slots=True)
class Fact:
    """A named value, already in words, with help in `note`."""

    name: str
    value: str
    note: str = ""


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
    cache_map: Annotated[CacheMap | None, "The prompt's messages and what the cache had of them, or None where that is not recorded."]
    difference: Annotated[Difference | None, "The first text that differed from the nearest known prompt, or None where that is not known."]
    content: Annotated[ContentView | None, "What was said, or None where that is not kept."]
    content_words: Annotated[str, "Why there is no content, and which setting keeps it."]
    conversation_id: Annotated[str | None, "The conversation it is a turn of, or None."]
    error_type: Annotated[str, "`error.type`, or ''."]
    error_message: Annotated[str, "The error as the client got it, or ''."]
    error_words: Annotated[str, "What the error means and what to do, or ''."]
    same_id: Annotated[int, "How many recorded requests share this id; this is the newest."]
    curl: Annotated[str, "A command that sends such a request again; the messages are a placeholder."]
    store_error: Annotated[str, "Why the store could not be read, or ''."]


@dataclass(frozen=True, slots=True)
class HeatRow:
    """One model's line of a heat map."""

    model: str
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A measure's median per model and context bucket; `unit` as shown (`ms` values are formatted as times)."""

    title: str
    unit: str
    buckets: tuple[str, ...]
    rows: tuple[HeatRow, ...]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model: its engine now, its configuration, what of it was chosen by measurement, its speed by context size,
    and what energy and money its requests took.
    """

    name: str
    engine: LiveEngine | None
    configuration: tuple[Fact, ...]
    tuning: str
    buckets: tuple[Group, ...]
    energy: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class ConfigurationRow:
    """An engine configuration that served, with what it did in the window (None: nothing)."""

    config_id: str
    model: str
    first_seen_at: datetime
    summary: str
    measured: Group | None


@dataclass(frozen=True, slots=True)
class SpeedChangeRows:
    """Speeds that changed from one configuration to the next; `changed` says what else did, or ''."""

    model: str
    before_config_id: str
    after_config_id: str
    at: datetime
    changed: str
    rows: tuple[SpeedChangeRow, ...]


@dataclass(frozen=True, slots=True)
class ModelsContext:
    """Models, their engines and their speed."""

    window: Annotated[Window, "The window that the figures cover."]
    windows: Annotated[tuple[Window, ...], "The windows to choose from."]
    models: Annotated[tuple[ModelCard, ...], "Every model that is configured or was seen in the window."]
    heat_maps: Annotated[tuple[HeatMap, ...], "Speed by model and context size; empty when nothing was measured."]
    speed_changes: Annotated[tuple[SpeedChangeRows, ...], "What the regression watch found, newest first."]
    configurations: Annotated[tuple[ConfigurationRow, ...], "Engine configurations that ever served, newest first."]
    store_error: Annotated[str, "Why the store could not be read, or ''."]


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """Lookups of one model with one reason; `share` is percent of all prefill time of the window."""

    model: str
    reason: str
    lookups: int
    cached_tokens: int
    computed_tokens: int
    computed_s: float
    share: float


@dataclass(frozen=True, slots=True)
class CacheTier:
    """What one tier of an engine's prefix cache holds now; the KV tier's bytes belong to the KV cache (None). `off` says why there
    is no such tier though there is a budget for it, or ''.
    """

    model: str
    tier: str
    entries: int
    tokens: int
    size_bytes: int | None
    evicted_tokens: int
    off: str = ""


@dataclass(frozen=True, slots=True)
class CacheContext:
    """The prefix cache: what it gave, why prompts were computed all the same, what it holds."""

    window: Annotated[Window, "The window that the ledger covers."]
    windows: Annotated[tuple[Window, ...], "The windows to choose from."]
    lookups: Annotated[int, "Prompts looked up in the window."]
    cache: Annotated[CacheShare, "The cached share: prompt tokens that the cache supplied, and those that prefill computed."]
    computed_s: Annotated[float, "Seconds of prefill."]
    by_source: Annotated[dict[str, int], "Cached tokens by tier: kv, ram, disk."]
    saved_s: Annotated[float | None, "Seconds of prefill that the cache saved (estimated), None where nothing was computed."]
    ledger: Annotated[tuple[LedgerRow, ...], "By model and reason, the dearest first."]
    several_models: Annotated[bool, "The ledger has more than one model."]
    tiers: Annotated[tuple[CacheTier, ...], "Each engine's tiers as they are now."]
    store_error: Annotated[str, "Why the store could not be read, or ''."]


@dataclass(frozen=True, slots=True)
class LiveContext:
    """The present moment."""

    engines: Annotated[tuple[LiveEngine, ...], "Every configured engine, as it is now."]
    running: Annotated[tuple[RunningRow, ...], "Requests that run now, oldest first."]
    store: Annotated[StoreState, "How the store's writer does."]
    curl: Annotated[str, "A command that sends a first request."]


@dataclass(frozen=True, slots=True)
class ErrorContext:
    """A page that could not be shown."""

    heading: Annotated[str, "What happened, in a few words."]
    detail: Annotated[str, "What it means and what to do."]
