"""The context of the Overview page's template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dashboard.charts.over_time import TimeChart
from dashboard.pages.live.context import RunningRow
from telemetry.health import StoreHealth
from telemetry.live import LiveEngine
from telemetry.slo import ObjectiveReport
from telemetry.store.queries.cached import CacheShare
from telemetry.store.queries.statistics import Percentiles, Totals
from telemetry.store.queries.windows import Window


@dataclass(frozen=True, slots=True)
class OverviewContext:
    """The Overview: how the gateway does, now and over a window."""

    window: Annotated[Window, "The window that the statistics cover."]
    windows: Annotated[tuple[Window, ...], "The windows to choose from."]
    ever: Annotated[bool, "Whether any request was ever recorded."]
    totals: Annotated[Totals, "Requests and tokens in the window."]
    cache: Annotated[CacheShare, "The cached share, of requests that got their first token."]
    ttft: Annotated[Percentiles, "Time to first token in ms."]
    output_rate: Annotated[
        Percentiles, "Output tokens per second of a request, from its first to its last token."
    ]
    inter_token: Annotated[Percentiles, "Time between two tokens of a request in ms."]
    prompt_rate: Annotated[Percentiles, "Computed prompt tokens per second of prefill."]
    charts: Annotated[tuple[TimeChart, ...], "The window over time."]
    engines: Annotated[tuple[LiveEngine, ...], "Every configured engine, as it is now."]
    objectives: Annotated[tuple[ObjectiveReport, ...], "The objectives as last looked at; empty before."]
    now_s: Annotated[float, "This moment in Unix seconds, for the age of what was read before."]
    running: Annotated[tuple[RunningRow, ...], "Requests that run now, oldest first."]
    store: Annotated[StoreHealth, "The state of the store's writer."]
    store_error: Annotated[str, "Why the store could not be read, or ''."]
    curl: Annotated[str, "A command that sends a first request."]
