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
    """One small chart over the window. `notes` are invisible columns whose tooltips give each step's figures."""

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


def time_charts(points: Sequence[Point]) -> tuple[TimeChart, ...]:
    """Requests per minute, time to first token, output rate; none without points."""
    return (_requests(points), _ttft(points), _output_rate(points)) if points else ()


def _requests(points: Sequence[Point]) -> TimeChart:
    per_minute = [point.requests / point.minutes for point in points]
    errors = [point.errors / point.minutes for point in points]
    top = scale_top(per_minute)
    bars = (columns("requests", "requests", per_minute, top), columns("errors", "errors", errors, top))
    notes = [f"{value:.3g} requests/min, {wrong:.3g} errors/min" for value, wrong in zip(per_minute, errors, strict=True)]
    return _chart("requests", "Requests per minute", points, top, lambda v: f"{v:.3g}", notes, bars=bars, measured=any(per_minute))


def _ttft(points: Sequence[Point]) -> TimeChart:
    p50 = [point.spread(Measure.TTFT).p50 for point in points]
    p95 = [point.spread(Measure.TTFT).p95 for point in points]
    top = scale_top(p95)
    notes = [f"p50 {formats.milliseconds(a)}, p95 {formats.milliseconds(b)}" for a, b in zip(p50, p95, strict=True)]
    series = lines([("p95", "p95", p95), ("p50", "p50", p50)], top)
    return _chart(
        "ttft", "Time to first token", points, top, formats.axis_ms, notes, series=series, measured=any(v is not None for v in p50)
    )


def _output_rate(points: Sequence[Point]) -> TimeChart:
    """The slow side of a rate is below its median."""
    p50 = [point.spread(Measure.OUTPUT_RATE).p50 for point in points]
    p5 = [point.spread(Measure.OUTPUT_RATE).p5 for point in points]
    top = scale_top(p50)
    notes = [f"p50 {formats.rate(a)} tokens/s, p5 (slow) {formats.rate(b)}" for a, b in zip(p50, p5, strict=True)]
    series = lines([("p5", "p5, slow", p5), ("rate", "p50", p50)], top)
    return _chart(
        "rate", "Output rate, tokens/s", points, top, formats.axis_rate, notes, series=series, measured=any(v is not None for v in p50)
    )


def _chart(
    key: str,
    title: str,
    points: Sequence[Point],
    top: float,
    label: Callable[[float], str],
    notes: Sequence[str],
    *,
    bars: tuple[Columns, ...] = (),
    series: tuple[Line, ...] = (),
    measured: bool,
) -> TimeChart:
    width, clocks = 100 / len(points), formats.clocks([point.start_s for point in points])
    hints = tuple(
        Bar(round(i * width, 4), round(width, 4), f"{clock} UTC: {note}") for i, (clock, note) in enumerate(zip(clocks, notes, strict=True))
    )
    summary = f"{title}, {clocks[0]} to {clocks[-1]} UTC; latest: {notes[-1]}"
    return TimeChart(key, title, summary, label(top), label(top / 2), clocks[0], clocks[-1], bars, series, hints, measured)
