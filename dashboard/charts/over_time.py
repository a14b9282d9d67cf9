"""Statistics over time as charts: which series, which scale, and what a reader hears instead of seeing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dashboard.charts.geometry import Bar, Columns, Line, columns, lines, scale_top
from dashboard.words import formats
from telemetry.store.queries.statistics import Point
from telemetry.store.rollups.measures import Measure


@dataclass(frozen=True, slots=True)
class TimeChart:
    """One small chart over the window; `notes` are invisible columns with each step's figures as tooltips."""

    key: str
    title: str
    summary: str
    top: str
    middle: str
    start: str
    end: str
    columns: tuple[Columns, ...]
    lines: tuple[Line, ...]
    notes: tuple[Bar, ...]
    measured: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """The vertical axis of a chart from 0 to `top`, whose values `label` puts in words."""

    key: str
    title: str
    top: float
    label: Callable[[float], str]


def time_charts(points: Sequence[Point]) -> tuple[TimeChart, ...]:
    """Requests per minute, time to first token, output rate; none without points."""
    return (_requests(points), _ttft(points), _output_rate(points)) if points else ()


def _requests(points: Sequence[Point]) -> TimeChart:
    per_minute = [point.requests / point.minutes for point in points]
    errors = [point.errors / point.minutes for point in points]
    top = scale_top(per_minute)
    scale = Scale("requests", "Requests per minute", top, lambda value: f"{value:.3g}")
    bars = (columns("requests", "requests", per_minute, top), columns("errors", "errors", errors, top))
    steps = zip(per_minute, errors, strict=True)
    notes = [f"{value:.3g} requests/min, {wrong:.3g} errors/min" for value, wrong in steps]
    return _chart(scale, points, notes, bars=bars, measured=any(per_minute))


def _ttft(points: Sequence[Point]) -> TimeChart:
    p50 = [point.percentiles(Measure.TTFT).p50 for point in points]
    p95 = [point.percentiles(Measure.TTFT).p95 for point in points]
    scale = Scale("ttft", "Time to first token", scale_top(p95), formats.axis_ms)
    ms, steps = formats.milliseconds, zip(p50, p95, strict=True)
    notes = [f"p50 {ms(middle)}, p95 {ms(slow)}" for middle, slow in steps]
    series = lines([("p95", "p95", p95), ("p50", "p50", p50)], scale.top)
    return _chart(scale, points, notes, series=series, measured=any_measured(p50))


def _output_rate(points: Sequence[Point]) -> TimeChart:
    """The slow side of a rate is below its median."""
    p50 = [point.percentiles(Measure.OUTPUT_RATE).p50 for point in points]
    p5 = [point.percentiles(Measure.OUTPUT_RATE).p5 for point in points]
    scale = Scale("rate", "Output rate, tokens/s", scale_top(p50), formats.axis_rate)
    rate, steps = formats.rate, zip(p50, p5, strict=True)
    notes = [f"p50 {rate(middle)} tokens/s, p5 (slow) {rate(slow)}" for middle, slow in steps]
    series = lines([("p5", "p5, slow", p5), ("rate", "p50", p50)], scale.top)
    return _chart(scale, points, notes, series=series, measured=any_measured(p50))


def any_measured(values: Sequence[float | None]) -> bool:
    """True where at least one of them was measured."""
    return any(value is not None for value in values)


def hints(notes: Sequence[str]) -> tuple[Bar, ...]:
    """Invisible columns, one per step, with these tooltips."""
    step = 100 / len(notes)
    return tuple(Bar(round(index * step, 4), round(step, 4), note) for index, note in enumerate(notes))


def _chart(
    scale: Scale,
    points: Sequence[Point],
    notes: Sequence[str],
    *,
    bars: tuple[Columns, ...] = (),
    series: tuple[Line, ...] = (),
    measured: bool,
) -> TimeChart:
    clocks = formats.clocks([point.start_s for point in points])
    told = [f"{clock} UTC: {note}" for clock, note in zip(clocks, notes, strict=True)]
    return TimeChart(
        key=scale.key,
        title=scale.title,
        summary=f"{scale.title}, {clocks[0]} to {clocks[-1]} UTC; latest: {notes[-1]}",
        top=scale.label(scale.top),
        middle=scale.label(scale.top / 2),
        start=clocks[0],
        end=clocks[-1],
        columns=bars,
        lines=series,
        notes=hints(told),
        measured=measured,
    )
