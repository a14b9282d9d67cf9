"""What a check of `firsttoken doctor` found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Outcome = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: what was looked at, how it is, and in words what was found and what to do."""

    name: str
    outcome: Outcome
    detail: str
