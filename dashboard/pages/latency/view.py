"""`/dashboard/latency`: how long requests take by context size, and where the time goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self
from urllib.parse import urlencode

from litestar.exceptions import ClientException

from dashboard.charts.geometry import heat_row
from dashboard.charts.stacks import STACK_LABELS, StackChart, share_bars, stack_chart
from dashboard.deps import DashboardDeps
from dashboard.page import Query, StoreView
from dashboard.pages.latency.context import HeatGrid, HeatLine, HeatLink, LatencyContext, LatencyRow, PhaseRow
from dashboard.pages.windows import chosen_window
from dashboard.words import formats
from telemetry.store.queries import groups, phases, requests, statistics
from telemetry.store.queries.phases import PhaseMeans
from telemetry.store.queries.report import ReportRow, context_rows
from telemetry.store.queries.statistics import NOTHING, MeasurePercentiles, Percentiles, Steps
from telemetry.store.queries.windows import WINDOWS, Window
from telemetry.store.rollups.measures import Measure

URL = "/dashboard/latency"

HEAT = {
    "ttft": (Measure.TTFT, "Time to first token, p50", "ms"),
    "rate": (Measure.OUTPUT_RATE, "Output rate, p50", "tokens/s"),
}
"""The map over time by what it shows: measure, title, unit."""

MAX_HEAT_STEPS = 16
"""Columns of the map: each has room for its figure."""

MAX_STACK_STEPS = 60
"""Columns of the stack over time."""


@dataclass(frozen=True, slots=True)
class LatencyQuery:
    """The address's parameters; `model` '' is all."""

    window: Window
    model: str
    heat: str

    @property
    def kept(self) -> str:
        """The part of the address that another window's keeps."""
        given = {"model": self.model, "heat": self.heat}
        return "".join(f"&{urlencode({name: value})}" for name, value in given.items() if value)

    def requests_url(
        self,
        model: str,
        context: str,
        since_s: int | None = None,
        until_s: int | None = None,
    ) -> str:
        """The list of the requests of a model and context bucket in a stretch of time (Unix seconds)."""
        values = {"model": model, "context": context, "since": _typed(since_s), "until": _typed(until_s)}
        encoded = urlencode({name: value for name, value in values.items() if value})
        return f"/dashboard/requests?{encoded}" if encoded else "/dashboard/requests"


def _typed(moment_s: int | None) -> str:
    """A time as the filter's field has it."""
    return "" if moment_s is None else datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%dT%H:%M")


def latency_query(window: str, model: str, heat: str) -> LatencyQuery:
    """The parameters, checked.

    Raises:
        ClientException: a window or measure that there is not.
    """
    if heat and heat not in HEAT:
        raise ClientException(f"There is no map of {heat[:50]!r}: choose one of {', '.join(HEAT)}.")
    return LatencyQuery(chosen_window(window, "24h"), model, heat or "ttft")


@dataclass(slots=True)
class LatencyView(StoreView):
    """The latency of one window and model; 503 when the store cannot be read."""

    deps: DashboardDeps
    query: LatencyQuery
    rows: list[ReportRow] = field(default_factory=list)
    spreads: MeasurePercentiles = field(default_factory=dict)
    models: list[str] = field(default_factory=list)
    by_context: dict[str, PhaseMeans] = field(default_factory=dict)
    stack: StackChart | None = None
    cells: dict[tuple[int, str], Percentiles] = field(default_factory=dict)
    steps: Steps | None = None

    @classmethod
    def from_query(cls, deps: DashboardDeps, query: Query) -> Self:
        """The window, model and map that an address names."""
        return cls(deps, latency_query(query["window"], query["model"], query["heat"]))

    @property
    def status(self) -> int:
        return 503 if self.error else 200

    @property
    def stream_query(self) -> Query:
        given = {"window": self.query.window.key, "model": self.query.model, "heat": self.query.heat}
        return {name: value for name, value in given.items() if value}

    async def read(self) -> None:
        reader, window, now_s = self.deps.reader, self.query.window, self.deps.wall_s()
        model = self.query.model or None
        found, self.spreads = await groups.by_context_and_together(reader, window, now_s, model)
        self.rows = context_rows(found, self.deps.buckets.labels)
        self.models = await requests.models(reader)
        self.by_context = await phases.by_context(reader, window, now_s, model)
        self.stack = await self._read_stack(now_s, model)
        self.steps = await statistics.steps_of(reader, window, now_s, MAX_HEAT_STEPS)
        self.cells = await self._read_cells(self.steps, model)

    async def _read_cells(self, steps: Steps | None, model: str | None) -> dict[tuple[int, str], Percentiles]:
        if steps is None:
            return {}
        measure, _, _ = HEAT[self.query.heat]
        return await groups.by_step_and_context(self.deps.reader, steps, measure, model)

    async def _read_stack(self, now_s: float, model: str | None) -> StackChart | None:
        steps = await statistics.steps_of(self.deps.reader, self.query.window, now_s, MAX_STACK_STEPS)
        if steps is None:
            return None
        found = await phases.over_time(self.deps.reader, steps.first, steps.minutes, model)
        return stack_chart(formats.clocks(steps.starts_s), [found.get(index) for index in steps.indexes])

    def context(self) -> LatencyContext:
        query = self.query
        serving = (engine.status.model for engine in self.deps.live.engines())
        return LatencyContext(
            window=query.window,
            windows=tuple(WINDOWS.values()),
            model=query.model,
            models=tuple(sorted({*self.models, *serving})),
            heat=query.heat,
            kept=query.kept,
            requests=sum(row.requests for row in self.rows),
            ttft=self.spreads.get(Measure.TTFT, NOTHING),
            inter_token=self.spreads.get(Measure.INTER_TOKEN, NOTHING),
            output_rate=self.spreads.get(Measure.OUTPUT_RATE, NOTHING),
            prompt_rate=self.spreads.get(Measure.PROMPT_RATE, NOTHING),
            queue=self.spreads.get(Measure.QUEUE, NOTHING),
            rows=tuple(LatencyRow(row, self._url(row.model, row.group)) for row in self.rows),
            several_models=len({row.model for row in self.rows}) > 1,
            phase_rows=self._phase_rows(),
            phases_shown=tuple(self._phases_shown()),
            stack=self.stack,
            heat_grid=self._heat_grid(),
            requests_url=query.requests_url(query.model, "", self._since_s),
            store_error=self.error,
        )

    @property
    def _since_s(self) -> int | None:
        """The window's beginning, None for all time."""
        minutes = self.query.window.minutes
        return None if minutes is None else (int(self.deps.wall_s()) // 60 - minutes + 1) * 60

    def _url(self, model: str, context: str) -> str:
        return self.query.requests_url(model, context, self._since_s) if model and context else ""

    def _in_order(self, contexts: set[str]) -> list[str]:
        """Context buckets by size; labels of an earlier setting come after, uncounted prompts last."""
        order = {label: index for index, label in enumerate(self.deps.buckets.labels)}
        return sorted(contexts, key=lambda label: (label == "", order.get(label, len(order)), label))

    def _phases_shown(self) -> list[tuple[str, str]]:
        """The phases that took any time, by name and label."""
        means = [found.mean_ms for found in self.by_context.values()]
        taken = {phase for mean_ms in means for phase, own_ms in mean_ms.items() if own_ms}
        return [(phase, label) for phase, label in STACK_LABELS.items() if phase in taken]

    def _phase_rows(self) -> tuple[PhaseRow, ...]:
        rows = []
        for context in self._in_order(set(self.by_context)):
            means = self.by_context[context]
            url = self.query.requests_url(self.query.model, context, self._since_s) if context else ""
            bars = share_bars(means)
            rows.append(PhaseRow(context, means.requests, means.wall_ms, bars, means.mean_ms, url))
        return tuple(rows)

    def _heat_grid(self) -> HeatGrid | None:
        steps, known = self.steps, [spread.p50 for spread in self.cells.values() if spread.p50 is not None]
        if steps is None or not known:
            return None
        _, title, unit = HEAT[self.query.heat]
        lowest, highest = min(known), max(known)
        contexts = self._in_order({context for _, context in self.cells if context})
        cells = [self._heat_cells(steps, context, lowest, highest) for context in contexts]
        lines = tuple(HeatLine(context, own) for context, own in zip(contexts, cells, strict=True))
        return HeatGrid(title, unit, formats.clocks(steps.starts_s), lines)

    def _heat_cells(self, steps: Steps, context: str, lowest: float, highest: float) -> tuple[HeatLink, ...]:
        spreads = [self.cells.get((index, context), NOTHING) for index in steps.indexes]
        placed = heat_row([spread.p50 for spread in spreads], lowest, highest)
        links = []
        for cell, spread, start_s in zip(placed, spreads, steps.starts_s, strict=True):
            end_s = start_s + steps.minutes * 60
            url = self.query.requests_url(self.query.model, context, start_s, end_s)
            links.append(HeatLink(cell, f"{spread.count:,} measured", url))
        return tuple(links)
