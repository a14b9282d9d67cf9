"""`/dashboard/playground`: a chat with this gateway's own API; the browser's script sends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from dashboard.deps import DashboardDeps
from dashboard.page import PageView, Query
from dashboard.pages.playground.context import PlaygroundContext
from dashboard.words.curl import curl
from telemetry.events import EngineState


@dataclass(slots=True)
class PlaygroundView(PageView):
    """The chat form."""

    deps: DashboardDeps

    @classmethod
    def from_query(cls, deps: DashboardDeps, _: Query) -> Self:
        """The one page that there is."""
        return cls(deps)

    def context(self) -> PlaygroundContext:
        deps = self.deps
        engines = sorted(deps.live.engines(), key=lambda engine: engine.status.state is not EngineState.READY)
        models = tuple(engine.status.model for engine in engines)
        command = curl(deps.base_url(), models[0] if models else None)
        return PlaygroundContext(models, deps.health.readiness().ready, command)
