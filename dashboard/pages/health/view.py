"""`/dashboard/health`: whether every part is well, now, and what to do where one is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from dashboard.deps import DashboardDeps
from dashboard.page import PageView, Query
from dashboard.pages.health.context import SEVERITY, Condition, HealthContext, Part
from dashboard.pages.health.engine_parts import engine_part, queue_part
from dashboard.pages.health.parts import (
    disk_part,
    energy_part,
    exporter_parts,
    loop_part,
    objective_parts,
    store_part,
)


@dataclass(slots=True)
class HealthPageView(PageView):
    """Every part; nothing is read from the store, so the page also shows when that is unhealthy.

    It is 200 also while the gateway is not ready: it is for the person who looks why.
    """

    deps: DashboardDeps

    @classmethod
    def from_query(cls, deps: DashboardDeps, _: Query) -> Self:
        """The one page that there is."""
        return cls(deps)

    def context(self) -> HealthContext:
        parts = sorted(self._parts(), key=lambda part: SEVERITY.index(part.condition))
        unhealthy = sum(part.condition in (Condition.BAD, Condition.WARN) for part in parts)
        return HealthContext(self.deps.health.readiness(), tuple(parts), unhealthy)

    def _parts(self) -> list[Part]:
        deps, now_ns, engines = self.deps, self.deps.clock_ns(), self.deps.live.engines()
        return [
            *(engine_part(engine, now_ns) for engine in engines),
            queue_part(engines),
            store_part(deps.health.store()),
            loop_part(deps.health.loop_lag_s()),
            disk_part(deps.health.disk()),
            *objective_parts(deps.objectives(), deps.wall_s()),
            *exporter_parts(deps.health.exporters()),
            energy_part(deps.energy(), deps.prices),
        ]
