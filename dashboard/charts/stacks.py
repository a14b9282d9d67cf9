"""The time of a mean request as geometry: one line by share, or columns over time. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboard.charts.geometry import Bar, scale_top
from dashboard.charts.timeline import PHASE_LABELS
from dashboard.words import formats
from telemetry.store.queries.phases import PhaseMeans
from telemetry.store.rollups.rollup import UNACCOUNTED

STACK_LABELS = {**{phase.value: label for phase, label in PHASE_LABELS.items()}, UNACCOUNTED: UNACCOUNTED}
"""The parts of a stack, bottom up or left to right: a request's life, and what no phase covers."""

TITLE = "Mean time of a request by phase"

MIN_SHARE = 0.15
"""Per cent of a chart below which a part is not drawn; the figures have it all the same."""


@dataclass(frozen=True, slots=True)
class StackColumn:
    """One step's stack: `x` and `width` in per cent of the width.

    `parts` are (phase, y, height) in per cent of the height.
    """

    x: float
    width: float
    parts: tuple[tuple[str, float, float], ...]
    note: str


@dataclass(frozen=True, slots=True)
class StackChart:
    """Stacks over time under one scale; `summary` is what a reader hears instead of seeing."""

    columns: tuple[StackColumn, ...]
    top: str
    middle: str
    start: str
    end: str
    summary: str


def share_bars(means: PhaseMeans) -> tuple[Bar, ...]:
    """A mean request on one line of its own length."""
    bars, x = [], 0.0
    for phase, label in STACK_LABELS.items():
        own_ms = means.mean_ms.get(phase, 0.0)
        width = own_ms / means.wall_ms * 100 if means.wall_ms else 0.0
        if width >= MIN_SHARE:
            note = f"{label}: {formats.milliseconds(own_ms)}, {formats.percent(own_ms, means.wall_ms)}"
            bars.append(Bar(round(x, 4), round(width, 4), note, phase))
        x += width
    return tuple(bars)


def stack_chart(labels: Sequence[str], steps: Sequence[PhaseMeans | None]) -> StackChart | None:
    """One column per step, under the step's label (None: no requests); None without any measured step."""
    walls = [None if means is None else means.wall_ms for means in steps]
    if not any(walls):
        return None
    top, width, columns = scale_top(walls), 100 / len(steps), []
    for index, (label, means) in enumerate(zip(labels, steps, strict=True)):
        parts = () if means is None else _parts(means.mean_ms, top)
        note = f"{label} UTC: {_words(means)}"
        columns.append(StackColumn(round(index * width, 4), round(width, 4), parts, note))
    return StackChart(
        columns=tuple(columns),
        top=formats.axis_ms(top),
        middle=formats.axis_ms(top / 2),
        start=labels[0],
        end=labels[-1],
        summary=f"{TITLE}, {labels[0]} to {labels[-1]} UTC; latest: {_words(steps[-1])}",
    )


def _parts(mean_ms: Mapping[str, float], top: float) -> tuple[tuple[str, float, float], ...]:
    parts, reached = [], 0.0
    for phase in STACK_LABELS:
        height = mean_ms.get(phase, 0.0) / top * 100
        reached += height
        if height >= MIN_SHARE:
            parts.append((phase, round(100 - reached, 3), round(height, 3)))
    return tuple(parts)


def _words(means: PhaseMeans | None) -> str:
    """A mean request in words, its longest phases first."""
    if means is None or not means.requests:
        return "no requests"
    longest = sorted(means.mean_ms.items(), key=lambda part: -part[1])[:4]
    parts = [(STACK_LABELS.get(phase, phase), own_ms) for phase, own_ms in longest if own_ms > 0]
    told = ", ".join(f"{label} {formats.milliseconds(own_ms)}" for label, own_ms in parts)
    noun = "request" if means.requests == 1 else "requests"
    return f"{formats.milliseconds(means.wall_ms)} in {means.requests:,} {noun}: {told}"
