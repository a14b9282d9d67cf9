"""`GET /api/slo`: the objectives, what is left of their budgets, and how fast these are spent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
from litestar import get

from telemetry.slo import ObjectiveReport

SloReports = Callable[[], Sequence[ObjectiveReport]]
"""The newest reports."""


class ObjectiveState(msgspec.Struct):
    """One objective, all of it read at `measured_at` (`age_s` ago): `achieved` and `budget_left` over
    `window_days`, burn rates by window (`60m`); null is not measured. A `budget_left` of 0 or less is used
    up; `state` is `ok`, `used_up`, `slow_burn`, `fast_burn`, or `unknown` where the store could not be read.
    """

    objective: str
    target_share: float
    threshold_ms: float | None
    window_days: float
    state: str
    achieved: float | None
    budget_left: float | None
    burn_rates: dict[str, float | None]
    measured_at: datetime
    age_s: float


class Slo(msgspec.Struct):
    """All objectives."""

    objectives: list[ObjectiveState]


@get("/api/slo", operation_id="slo", tags=["operation"])
async def slo(slo_reports: SloReports) -> Slo:
    """Objectives of the settings `slo.*`: state, budget and burn rates, by the gateway's own roll-ups."""
    now_s = time.time()
    return Slo([_state(found, now_s) for found in slo_reports()])


def _state(found: ObjectiveReport, now_s: float) -> ObjectiveState:
    return ObjectiveState(
        objective=found.objective.name,
        target_share=found.objective.share,
        threshold_ms=found.objective.threshold_ms,
        window_days=found.window_days,
        state=found.state.value,
        achieved=found.achieved,
        budget_left=found.budget_left,
        burn_rates={f"{minutes}m": rate for minutes, rate in found.burns.items()},
        measured_at=datetime.fromtimestamp(found.at_s, UTC),
        age_s=round(found.age_s(now_s), 3),
    )
