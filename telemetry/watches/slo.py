"""The watch of the objectives: reads all their figures every
half minute, at one moment, and reports each change of state.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.logs.events import event
from telemetry.metrics import instruments_gateway as metric
from telemetry.metrics.instrument import Instrument
from telemetry.metrics.sink import MetricsSink
from telemetry.slo import BURN_MINUTES, Objective, ObjectiveReport, State, report
from telemetry.store.queries import slo
from telemetry.store.queries.reading import StoreUnreadable
from telemetry.watches.background import BackgroundTask

log = logging.getLogger(__name__)

EVERY_S = 30.0
UNREADABLE_S = 2.0
"""Until the next look at a store that could not be read: at the start its tables may not be there yet."""

DAY_MINUTES = 24 * 60

OnChange = Callable[[ObjectiveReport, State], None]
"""Called with a report whose state changed, and the state before."""


@dataclass(slots=True)
class SloWatch(BackgroundTask):
    """A task on the gateway's event loop. `reports` are the newest, all of one moment; a store that cannot be
    read makes their state `unknown`.
    """

    reader: AsyncEngine
    metrics: MetricsSink
    objectives: Sequence[Objective]
    window_days: float
    on_change: OnChange
    every_s: float = EVERY_S
    reports: tuple[ObjectiveReport, ...] = ()
    wall_s: Callable[[], float] = time.time
    error: str = ""
    _known: dict[str, State] = field(default_factory=dict)
    """The last state of each objective that was known: what
    happens while the store cannot be read is reported afterwards.
    """
    _published: set[tuple[Instrument, tuple[str, ...]]] = field(default_factory=set)
    """Series that have had a value."""

    async def check(self) -> None:
        """Look once."""
        now_s = self.wall_s()
        try:
            self.reports = tuple([await self._report(objective, now_s) for objective in self.objectives])
            self.error = ""
        except StoreUnreadable as error:
            self.error = str(error)
            self.reports = tuple(self._unknown(objective, now_s) for objective in self.objectives)
        self._publish()
        for found in self.reports:
            if found.state is not State.UNKNOWN:
                was = self._known.get(found.objective.name, State.OK)
                self._known[found.objective.name] = found.state
                if found.state is not was:
                    self._changed(found, was)

    def _unknown(self, objective: Objective, now_s: float) -> ObjectiveReport:
        burns = dict.fromkeys(BURN_MINUTES)
        return ObjectiveReport(objective, self.window_days, None, burns, State.UNKNOWN, now_s)

    async def _report(self, objective: Objective, now_s: float) -> ObjectiveReport:
        """Every window of an objective in one read: a budget of
        another moment would contradict the rates beside it.
        """
        whole = max(1, round(self.window_days * DAY_MINUTES))
        counts = await slo.counts(self.reader, objective, (*BURN_MINUTES, whole), now_s)
        return report(objective, self.window_days, counts, counts[whole], now_s)

    def _publish(self) -> None:
        for found in self.reports:
            for minutes, rate in found.burns.items():
                self._gauge(metric.SLO_BURN_RATE, rate, found.objective.name, window_name(minutes))
            self._gauge(metric.SLO_BUDGET_LEFT, found.budget_left, found.objective.name)

    def _gauge(self, instrument: Instrument, value: float | None, *labels: str) -> None:
        """A series begins with its first value; what is not
        measured any more is no number, instead of the last one.
        """
        if value is not None:
            self._published.add((instrument, labels))
        if (instrument, labels) in self._published:
            self.metrics.record(instrument, math.nan if value is None else value, *labels)

    def _changed(self, found: ObjectiveReport, was: State) -> None:
        level = logging.INFO if found.state is State.OK else logging.WARNING
        about = event("slo.changed", objective=found.objective.name, state=found.state.value)
        log.log(level, "objective %s: %s, before %s", found.objective.name, found.state, was, extra=about)
        self.on_change(found, was)

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
