"""What the Health page's template gets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from dashboard.words.facts import Fact
from telemetry.health import ReadinessResult


class Condition(StrEnum):
    """How a part does; `off` is not used here, which is no fault, and of `unmeasured` nothing can be said."""

    WELL = "well"
    OFF = "off"
    UNMEASURED = "unmeasured"
    WARN = "warn"
    BAD = "bad"


SEVERITY = (Condition.BAD, Condition.WARN, Condition.WELL, Condition.UNMEASURED, Condition.OFF)
"""The gravest first."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part: what was found, in words and figures, and what to do ('' where nothing is to be done)."""

    name: str
    condition: Condition
    words: str
    advice: str = ""
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class HealthContext:
    """Whether every part is well, now."""

    readiness: Annotated[ReadinessResult, "What `/readyz` says."]
    parts: Annotated[tuple[Part, ...], "Every part, the gravest first."]
    unhealthy: Annotated[int, "How many parts are not well."]
