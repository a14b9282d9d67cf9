"""The context of the Latency page's template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from dashboard.charts.geometry import Bar, HeatCell
from dashboard.charts.stacks import StackChart
from telemetry.store.queries.report import ReportRow
from telemetry.store.queries.statistics import Percentiles
from telemetry.store.queries.windows import Window


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """One model and context bucket as `/api/stats` reports it.

    `url` leads to its requests, '' where no filter finds them.
    """

    measured: ReportRow
    url: str


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """One context bucket's mean request: its phases as shares of one line, and in ms by their names."""

    context: str
    requests: int
    wall_ms: float
    bars: tuple[Bar, ...]
    mean_ms: dict[str, float]
    url: str


@dataclass(frozen=True, slots=True)
class HeatLink:
    """One cell of the map over time; `note` is its tooltip, `url` leads to the requests behind it."""

    cell: HeatCell
    note: str
    url: str


@dataclass(frozen=True, slots=True)
class HeatLine:
    """One context bucket over time."""

    context: str
    cells: tuple[HeatLink, ...]


@dataclass(frozen=True, slots=True)
class HeatGrid:
    """A measure's median by context bucket and time.

    `unit` as shown (`ms` values are formatted as times), `ticks` by step.
    """

    title: str
    unit: str
    ticks: tuple[str, ...]
    lines: tuple[HeatLine, ...]


@dataclass(frozen=True, slots=True)
class LatencyContext:
    """Times of requests, and where the time goes."""

    window: Annotated[Window, "The window that the figures cover."]
    windows: Annotated[tuple[Window, ...], "The windows to choose from."]
    model: Annotated[str, "The chosen model, or '' for all."]
    models: Annotated[tuple[str, ...], "Models to choose from."]
    heat: Annotated[str, "The measure of the map over time: ttft or rate."]
    kept: Annotated[str, "What the window's links keep of the address, beginning with &."]
    requests: Annotated[int, "Requests in the window."]
    ttft: Annotated[Percentiles, "Time to first token in ms, over all context sizes."]
    inter_token: Annotated[Percentiles, "Time between two tokens of a request in ms."]
    output_rate: Annotated[
        Percentiles, "Output tokens per second of a request, from its first to its last token."
    ]
    prompt_rate: Annotated[Percentiles, "Computed prompt tokens per second of prefill."]
    queue: Annotated[Percentiles, "Time in the queue in ms."]
    rows: Annotated[tuple[LatencyRow, ...], "By model and context bucket: the rows of `/api/stats`."]
    several_models: Annotated[bool, "The rows are of more than one model."]
    phase_rows: Annotated[tuple[PhaseRow, ...], "The mean request of each context bucket by phase."]
    phases_shown: Annotated[tuple[tuple[str, str], ...], "The phases that took any time, by name and label."]
    stack: Annotated[StackChart | None, "The mean request over time by phase; None: not measured."]
    heat_grid: Annotated[HeatGrid | None, "The map over time, or None when nothing was measured."]
    requests_url: Annotated[str, "All requests behind the page."]
    store_error: Annotated[str, "Why the store could not be read, or ''."]
