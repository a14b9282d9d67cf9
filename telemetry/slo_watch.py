"""Watches the objectives: burn rates every half minute, budgets every ten minutes, and tells each change of state."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry import instruments as metric
from telemetry.background import BackgroundTask
from telemetry.log_events import event
from telemetry.metrics import MetricsSink
from telemetry.slo import BURN_MINUTES, Counts, Objective, ObjectiveReport, State, report
from telemetry.store.queries import slo
from telemetry.store.queries.reading import StoreUnreadable

log = logging.getLogger(__name__)

EVERY_S = 30.0
UNREADABLE_S = 2.0
"""Until the next look at a store that could not be read: at the start its tables may not be there yet."""

BUDGET_EVERY = 20
"""Looks per reading of the objective's own window, which is long, once there is something in it."""

DAY_MINUTES = 24 * 60

Tell = Callable[[ObjectiveReport, State], None]
"""Takes a report whose state changed, and the state before."""


@dataclass(slots=True)
class SloWatch(BackgroundTask):
    """A task on the gateway's event loop. `reports` are the newest; a store that cannot be read makes their state `unknown`."""

    reader: AsyncEngine
    metrics: MetricsSink
    objectives: Sequence[Objective]
    window_days: float
    tell: Tell
    every_s: float = EVERY_S
    reports: tuple[ObjectiveReport, ...] = ()
    error: str = ""
    _whole: dict[str, Counts | None] = field(default_factory=dict)
    _known: dict[str, State] = field(default_factory=dict)
    """The last state of each objective that was known: what happens while the store cannot be read is told afterwards."""
    _looks: int = 0

    async def check(self) -> None:
        """Look once."""
        try:
            if self._looks % BUDGET_EVERY == 0 or not any(counts and counts.total for counts in self._whole.values()):
                await self._read_whole()
            self._looks += 1
            self.reports = tuple([await self._report(objective) for objective in self.objectives])
            self.error = ""
        except StoreUnreadable as error:
            self.error = str(error)
            unknown = dict.fromkeys(BURN_MINUTES)
            self.reports = tuple(ObjectiveReport(o, self.window_days, None, unknown, State.UNKNOWN) for o in self.objectives)
        self._publish()
        for found in self.reports:
            if found.state is not State.UNKNOWN:
                was = self._known.get(found.objective.name, State.OK)
                self._known[found.objective.name] = found.state
                if found.state is not was:
                    self._changed(found, was)

    async def _report(self, objective: Objective) -> ObjectiveReport:
        recent = await slo.counts(self.reader, objective, BURN_MINUTES, time.time())
        return report(objective, self.window_days, recent, self._whole.get(objective.name))

    async def _read_whole(self) -> None:
        minutes = round(self.window_days * DAY_MINUTES)
        for objective in self.objectives:
            self._whole[objective.name] = (await slo.counts(self.reader, objective, [minutes], time.time()))[minutes]

    def _publish(self) -> None:
        for found in self.reports:
            for minutes, rate in found.burns.items():
                if rate is not None:
                    self.metrics.record(metric.SLO_BURN_RATE, rate, found.objective.name, window_name(minutes))
            if found.budget_left is not None:
                self.metrics.record(metric.SLO_BUDGET_LEFT, found.budget_left, found.objective.name)

    def _changed(self, found: ObjectiveReport, was: State) -> None:
        level = logging.INFO if found.state is State.OK else logging.WARNING
        told = event("slo.changed", objective=found.objective.name, state=found.state.value)
        log.log(level, "objective %s: %s, before %s", found.objective.name, found.state, was, extra=told)
        self.tell(found, was)

    async def _run(self) -> None:
        """Nothing that fails here ends the watch."""
        while True:
            try:
                await self.check()
            except Exception:
                log.exception("the objectives could not be looked at", extra=event("slo.unreadable"))
            await asyncio.sleep(min(self.every_s, UNREADABLE_S) if self.error else self.every_s)


def window_name(minutes: int) -> str:
    """`30m`, `6h`."""
    return f"{minutes}m" if minutes < 60 else f"{minutes // 60}h"
