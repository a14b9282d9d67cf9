"""`/dashboard/live`: the present moment as a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from dashboard.deps import DashboardDeps
from dashboard.page import PageView, Query
from dashboard.pages.live.context import LiveContext
from dashboard.pages.live.running import running_rows
from dashboard.words.curl import curl


@dataclass(slots=True)
class LiveNowView(PageView):
    """Everything that moves, without the store."""

    deps: DashboardDeps

    @classmethod
    def from_query(cls, deps: DashboardDeps, _: Query) -> Self:
        """The one page that there is."""
        return cls(deps)

    def context(self) -> LiveContext:
        engines = tuple(self.deps.live.engines())
        command = curl(self.deps.base_url(), engines[0].status.model if engines else None)
        return LiveContext(engines, running_rows(self.deps), self.deps.health.store(), command)
