"""What every scenario's result can be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a report: what was measured, the values under the table's columns, and their unit."""

    name: str
    values: tuple[float | None, ...]
    unit: str


class Result(Protocol):
    """The result of a scenario, a dataclass; its fields are what `--json` prints."""

    @property
    def title(self) -> str:
        """What was measured, in a line."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Heads of the columns of values."""

    @property
    def figures(self) -> list[Figure]:
        """The lines of the table."""

    @property
    def failure(self) -> str:
        """Why a promise does not hold; empty when all do or there is none."""


def percentile(values: Sequence[float], share: float) -> float:
    """Linear between the two nearest values (Hyndman and Fan's type 7, as numpy does); `share` is 0 to 1."""
    assert values, "a percentile of nothing"
    ordered = sorted(values)
    at = (len(ordered) - 1) * share
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)
