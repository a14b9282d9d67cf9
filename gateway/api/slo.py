"""`GET /api/slo`: the objectives, what is left of their budgets, and how fast these are spent."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from litestar import get

from telemetry.slo import ObjectiveReport

SloReports = Callable[[], Sequence[ObjectiveReport]]
"""The newest reports."""


class ObjectiveState(msgspec.Struct):
    """One objective: `achieved` and `budget_left` over `window_days`, burn rates by window (`60m`); null is not measured."""

    objective: str
    target_share: float
    threshold_ms: float | None
    window_days: float
    state: str
    achieved: float | None
    budget_left: float | None
    burn_rates: dict[str, float | None]


class Slo(msgspec.Struct):
    """All objectives."""

    objectives: list[ObjectiveState]


@get("/api/slo", operation_id="slo", tags=["operation"])
async def slo(slo_reports: SloReports) -> Slo:
    """Objectives of the settings `slo.*`: state, budget and burn rates, by the gateway's own roll-ups."""
    return Slo([_state(found) for found in slo_reports()])


def _state(found: ObjectiveReport) -> ObjectiveState:
    return ObjectiveState(
        objective=found.objective.name,
        target_share=found.objective.share,
        threshold_ms=found.objective.threshold_ms,
        window_days=found.window_days,
        state=found.state.value,
        achieved=None if found.counts is None else found.counts.good_share,
        budget_left=found.budget_left,
        burn_rates={f"{minutes}m": rate for minutes, rate in found.burns.items()},
    )
