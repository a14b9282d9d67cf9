"""Chart geometry: pure functions from figures to what SVG draws. Nothing here knows of colours or of HTML.

Bars and marks are placed in per cent of the width, so that charts stretch without distorting text. Lines are
in a box `BOX_WIDTH` by `BOX_HEIGHT`, which is stretched as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.charts.timeline import PHASE_LABELS, TimedChunk, TimedPhase, Timeline

BOX_WIDTH = 1000.0
BOX_HEIGHT = 100.0

HEAT_LEVELS = 5
"""Shades of a heat map, 1 to this."""

MIN_OVERLAP_MS = 0.01
"""Phases that share less than this follow one another."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A horizontal stretch, in per cent of the width; `note` is its tooltip."""

    x: float
    width: float
    note: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A position in per cent of the width, with its label; `anchor` is the part of the label there."""

    x: float
    label: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True)
class WaterfallRow:
    """One line of a waterfall: a phase, or what no phase covers (`unaccounted`). Times are ms."""

    kind: str
    label: str
    bars: tuple[Bar, ...]
    start_ms: float
    duration_ms: float
    chunks: tuple[Bar, ...] = ()
    running: bool = False
    overlaps: str = ""


@dataclass(frozen=True, slots=True)
class Waterfall:
    """All rows over one time axis. `covered_ms` + `unaccounted_ms` = `wall_ms`."""

    rows: tuple[WaterfallRow, ...]
    ticks: tuple[Mark, ...]
    first_token: Mark | None
    wall_ms: float
    covered_ms: float
    unaccounted_ms: float
    chunks_left_out: int = 0

    @property
    def statement(self) -> str:
        """The sum in words, in tenths of a millisecond that add up as they are read."""
        wall, rest = round(self.wall_ms * 10), round(self.unaccounted_ms * 10)
        covered, unaccounted, total = (f"{tenths / 10:,.1f} ms" for tenths in (wall - rest, rest, wall))
        return f"Phases cover {covered}, unaccounted {unaccounted}, wall {total}"


def waterfall(timeline: Timeline) -> Waterfall:
    """The rows of each millisecond: one per phase in order of start, then the unaccounted rest."""
    life = list(PHASE_LABELS)
    ordered = sorted(timeline.phases, key=lambda timed: (timed.start_ms, life.index(timed.phase)))
    return Waterfall(
        rows=(*(_phase_row(timed, timeline) for timed in ordered), _unaccounted_row(timeline)),
        ticks=ticks(timeline.wall_ms),
        first_token=_first_token(timeline),
        wall_ms=timeline.wall_ms,
        covered_ms=timeline.covered_ms,
        unaccounted_ms=timeline.unaccounted_ms,
        chunks_left_out=timeline.chunks_left_out,
    )


def _first_token(timeline: Timeline) -> Mark | None:
    first_ms = timeline.first_token_ms
    if first_ms is None:
        return None
    return _mark(first_ms, timeline.wall_ms, f"first token {_short_ms(first_ms)}", room=24)


def _unaccounted_row(timeline: Timeline) -> WaterfallRow:
    gaps, wall_ms = timeline.gaps(), timeline.wall_ms
    return WaterfallRow(
        kind="unaccounted",
        label="unaccounted",
        bars=tuple(_bar(start, end, wall_ms, _span_note(start, end)) for start, end in gaps),
        start_ms=gaps[0][0] if gaps else 0.0,
        duration_ms=timeline.unaccounted_ms,
    )


def _phase_row(timed: TimedPhase, timeline: Timeline) -> WaterfallRow:
    chunks = timeline.chunks if timed.phase == "prefill" else ()
    note = _span_note(timed.start_ms, timed.end_ms)
    return WaterfallRow(
        kind=timed.phase.value,
        label=PHASE_LABELS[timed.phase],
        bars=(_bar(timed.start_ms, timed.end_ms, timeline.wall_ms, note),),
        start_ms=timed.start_ms,
        duration_ms=timed.end_ms - timed.start_ms,
        chunks=tuple(_chunk_bar(chunk, timeline.wall_ms) for chunk in chunks),
        running=timed.running,
        overlaps=_overlaps(timed, timeline),
    )


def _chunk_bar(chunk: TimedChunk, wall_ms: float) -> Bar:
    note = f"{chunk.tokens} tokens, {chunk.sequences} in the batch"
    return _bar(chunk.start_ms, chunk.end_ms, wall_ms, note)


def _overlaps(timed: TimedPhase, timeline: Timeline) -> str:
    """The phases that began earlier and run beside this one, in words."""
    earlier = [one for one in timeline.phases if one.start_ms <= timed.start_ms and one is not timed]
    beside = [one for one in earlier if min(one.end_ms, timed.end_ms) - timed.start_ms > MIN_OVERLAP_MS]
    return " and ".join(PHASE_LABELS[one.phase] for one in beside)


def strip(timeline: Timeline, whole_ms: float = 0.0) -> tuple[Bar, ...]:
    """A request's phases on one line, for a table row; one that runs beside another is drawn later, on top.

    The line is `whole_ms` long (or as long as the request's time), so that several rows can be compared.
    """
    whole_ms = max(whole_ms, timeline.wall_ms)
    ordered = sorted(timeline.phases, key=lambda timed: timed.start_ms)
    return tuple(_strip_bar(timed, whole_ms) for timed in ordered)


def _strip_bar(timed: TimedPhase, whole_ms: float) -> Bar:
    note = f"{PHASE_LABELS[timed.phase]}: {_short_ms(timed.end_ms - timed.start_ms)}"
    return _bar(timed.start_ms, timed.end_ms, whole_ms, note, timed.phase.value)


def _bar(start: float, end: float, wall: float, note: str, kind: str = "") -> Bar:
    """A stretch of [0, wall], cut to it."""
    left = min(max(start, 0.0), wall)
    right = min(max(end, left), wall)
    return Bar(_percent(left, wall), _percent(right - left, wall), note, kind)


def _mark(at: float, wall: float, label: str, room: float = 12) -> Mark:
    """A mark whose label stays within the line: half of it takes at most `room` per cent, as on a phone."""
    x = _percent(min(max(at, 0.0), wall), wall)
    return Mark(x, label, "start" if x < room else "end" if x > min(72, 100 - room) else "middle")


def _percent(part: float, whole: float) -> float:
    return round(part / whole * 100, 4) if whole > 0 else 0.0


def ticks(wall_ms: float, most: int = 5) -> tuple[Mark, ...]:
    """Round times along an axis from 0, at most `most` steps."""
    step = nice_step(wall_ms / most) if wall_ms > 0 else 1.0
    return tuple(_mark(n * step, wall_ms, _short_ms(n * step)) for n in range(int(wall_ms / step) + 1))


def nice_step(at_least: float) -> float:
    """The smallest of 1, 2 or 5 times a power of ten that is not below a value."""
    size = 10.0 ** math.floor(math.log10(at_least)) if at_least > 0 else 1.0
    return next((factor * size for factor in (1, 2, 5) if factor * size >= at_least * 0.999999), 10 * size)


def _short_ms(value: float) -> str:
    if value < 1000:
        return f"{value:.3g} ms"
    return f"{value / 1000:g} s" if value % 100 == 0 else f"{value / 1000:.2f} s"


def _span_note(start: float, end: float) -> str:
    return f"{_short_ms(start)} to {_short_ms(end)}, {_short_ms(end - start)}"


@dataclass(frozen=True, slots=True)
class Line:
    """One series: `paths` are stretches of "x,y x,y …" without gaps, `dots` the points that stand alone."""

    kind: str
    label: str
    paths: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Columns:
    """One column per step, in per cent of the width and of the box's height."""

    kind: str
    label: str
    columns: tuple[tuple[float, float, float], ...]
    """(x, width, height), each in per cent."""


def lines(series: Sequence[tuple[str, str, Sequence[float | None]]], top: float) -> tuple[Line, ...]:
    """Series as (kind, label, values); None is a gap. `top` is the value at the upper edge."""
    return tuple(_line(kind, label, values, top) for kind, label, values in series)


def _line(kind: str, label: str, values: Sequence[float | None], top: float) -> Line:
    stretches: list[list[tuple[float, float]]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            stretches.append([])
        else:
            x = (index + 0.5) / len(values) * BOX_WIDTH
            stretches[-1].append((round(x, 2), round(BOX_HEIGHT * (1 - min(value / top, 1)), 2)))
    paths = tuple(" ".join(f"{x:g},{y:g}" for x, y in stretch) for stretch in stretches if len(stretch) > 1)
    return Line(kind, label, paths, tuple(stretch[0] for stretch in stretches if len(stretch) == 1))


def columns(kind: str, label: str, values: Sequence[float], top: float) -> Columns:
    """Columns from the bottom up; every value has one, zero included."""
    step = 100 / max(len(values), 1)
    width = round(step * 0.8, 4)
    heights = [round(min(value / top, 1) * 100, 3) for value in values]
    placed = tuple((round(index * step, 4), width, height) for index, height in enumerate(heights))
    return Columns(kind, label, placed)


def scale_top(values: Sequence[float | None]) -> float:
    """A round value at or above the largest; 1 where there is none to speak of."""
    largest = max((value for value in values if value is not None), default=0.0)
    if largest < 1e-9:
        return 1.0
    step = nice_step(largest / 4)
    return step * math.ceil(largest / step - 1e-9)


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One cell of a heat map, in per cent of the width; `level` is 0 (not measured) to `HEAT_LEVELS`."""

    x: float
    width: float
    value: float | None
    level: int


def heat_row(values: Sequence[float | None], lowest: float, highest: float) -> tuple[HeatCell, ...]:
    """The cells of one row; levels are steps of the logarithm between the map's extremes."""
    step = 100 / max(len(values), 1)
    width, cells = round(step, 4), []
    for index, value in enumerate(values):
        cells.append(HeatCell(round(index * step, 4), width, value, heat_level(value, lowest, highest)))
    return tuple(cells)


def heat_level(value: float | None, lowest: float, highest: float) -> int:
    """0 where nothing was measured, else 1 (lowest) to `HEAT_LEVELS` (highest)."""
    if value is None:
        return 0
    if value <= lowest or highest <= lowest or lowest <= 0:
        return 1
    share = math.log(value / lowest) / math.log(highest / lowest)
    return min(HEAT_LEVELS, 1 + int(share * HEAT_LEVELS))
