"""One case of an alert. Values are promtool's notation, one per step."""

from __future__ import annotations

from dataclasses import dataclass

WHO = 'job="firsttoken",instance="a"'
MODEL = f'{WHO},gen_ai_request_model="m"'
FIRES, QUIET = True, False


@dataclass(frozen=True, slots=True)
class Case:
    """At `at`, the alert fires or not. `step` is the time between two values, and between two evaluations."""

    alert: str
    name: str
    fires: bool
    at: str
    series: dict[str, str]
    step: str = "1m"
