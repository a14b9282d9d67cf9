"""`/dashboard`: how the gateway does, now and over a window."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from dashboard.charts.over_time import time_charts
from dashboard.deps import DashboardDeps
from dashboard.page import Query, StoreView
from dashboard.pages.live.running import running_rows
from dashboard.pages.overview.context import OverviewContext
from dashboard.pages.windows import chosen_window
from dashboard.words.curl import curl
from telemetry.store.queries import statistics
from telemetry.store.queries.cached import NO_PROMPTS, CacheShare, cache_share
from telemetry.store.queries.statistics import NOTHING, Percentiles, Point, Totals
from telemetry.store.queries.windows import WINDOWS, Window
from telemetry.store.rollups.measures import Measure


@dataclass(slots=True)
class OverviewView(StoreView):
    """The Overview of one window; the live part shows even when the store cannot be read."""

    deps: DashboardDeps
    window: Window
    ever: bool = False
    totals: Totals = field(default_factory=Totals)
    cache: CacheShare = NO_PROMPTS
    spreads: dict[Measure, Percentiles] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)

    @classmethod
    def from_query(cls, deps: DashboardDeps, query: Query) -> Self:
        """The window that an address names."""
        return cls(deps, chosen_window(query["window"], "1h"))

    @property
    def stream_query(self) -> Query:
        return {"window": self.window.key}

    async def read(self) -> None:
        reader, now_s = self.deps.reader, self.deps.wall_s()
        self.ever = self.ever or await statistics.has_rollups(reader)
        self.totals = await statistics.totals(reader, self.window, now_s)
        self.cache = await cache_share(reader, self.window, now_s)
        self.spreads = await statistics.percentiles(reader, self.window, now_s)
        self.points = await statistics.points(reader, self.window, now_s)

    def context(self) -> OverviewContext:
        engines = tuple(self.deps.live.engines())
        return OverviewContext(
            window=self.window,
            windows=tuple(WINDOWS.values()),
            ever=self.ever,
            totals=self.totals,
            cache=self.cache,
            ttft=self.spreads.get(Measure.TTFT, NOTHING),
            output_rate=self.spreads.get(Measure.OUTPUT_RATE, NOTHING),
            inter_token=self.spreads.get(Measure.INTER_TOKEN, NOTHING),
            prompt_rate=self.spreads.get(Measure.PROMPT_RATE, NOTHING),
            charts=time_charts(self.points),
            engines=engines,
            objectives=tuple(self.deps.objectives()),
            now_s=self.deps.wall_s(),
            running=running_rows(self.deps),
            store=self.deps.health.store(),
            store_error=self.error,
            curl=curl(self.deps.base_url(), engines[0].status.model if engines else None),
        )
