"""Chart geometry: what is drawn lies within its axis and adds up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.charts.geometry import (
    BOX_HEIGHT,
    BOX_WIDTH,
    HEAT_LEVELS,
    columns,
    heat_level,
    heat_row,
    lines,
    nice_step,
    scale_top,
    strip,
    ticks,
    waterfall,
)
from dashboard.charts.timeline import TimedChunk, TimedPhase, Timeline, of_record
from telemetry.events import Phase
from tests.dashboard.samples import MS, finished_record, record

WALL_MS = 1000.0
TIMES = st.floats(0, WALL_MS).map(lambda value: round(value, 3))


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """Phases anywhere within the wall time, overlapping or not."""
    phases = []
    for phase in draw(st.lists(st.sampled_from(Phase), unique=True)):
        start, end = sorted((draw(TIMES), draw(TIMES)))
        phases.append(TimedPhase(phase, start, end))
    return Timeline(WALL_MS, tuple(phases), (TimedChunk(0, 1, 1, 1),), draw(st.none() | TIMES))


@given(timelines())
def test_bars_lie_within_the_wall_and_the_rows_add_up(timeline: Timeline) -> None:
    """No bar leaves the axis; covered plus unaccounted is the wall; unaccounted bars are as long as they
    say.
    """
    fall = waterfall(timeline)
    for bar in (bar for line in fall.rows for bar in line.bars + line.chunks):
        assert bar.x >= 0
        assert bar.width >= 0
        assert bar.x + bar.width <= 100.001
    assert fall.covered_ms + fall.unaccounted_ms == pytest.approx(fall.wall_ms)
    rest = fall.rows[-1]
    assert rest.kind == "unaccounted"
    assert sum(bar.width for bar in rest.bars) / 100 * WALL_MS == pytest.approx(rest.duration_ms, abs=0.01)


@given(timelines())
def test_gaps_and_phases_never_overlap(timeline: Timeline) -> None:
    """A gap has no phase in it."""
    for start, end in timeline.gaps():
        assert all(
            timed.end_ms <= start or timed.start_ms >= end or timed.start_ms == timed.end_ms
            for timed in timeline.phases
        )


def test_a_phase_beyond_the_wall_is_cut() -> None:
    """A stamp after the end (clock noise) does not push a bar out of the chart."""
    fall = waterfall(Timeline(10.0, (TimedPhase(Phase.DECODE, 5.0, 12.0),), (), 11.0))
    assert fall.rows[0].bars[0].x + fall.rows[0].bars[0].width == 100
    assert fall.first_token is not None
    assert fall.first_token.x == 100


def test_a_running_request_has_its_current_phase_open_to_the_present() -> None:
    """The current phase begins where the known ones end and reaches to now."""
    made = record()
    made.phases = finished_record().phases[:5]
    made.current_phase = Phase.PREFILL
    timeline = of_record(made, 100 * MS)
    current = timeline.phases[-1]
    assert (current.phase, current.end_ms, current.running) == (Phase.PREFILL, 100.0, True)
    assert current.start_ms == pytest.approx(18.4)
    assert [bar.kind for bar in strip(timeline)][-1] == "prefill"


def test_a_running_request_has_all_its_phases() -> None:
    """While it decodes: prefill up to the first token, then decode and the way to the client, open; before
    the first, neither. Once the engine is done, what it told stands, and only the way to the client is open.
    """
    made = record()
    made.phases, made.current_phase = finished_record().phases[:5], Phase.DECODE
    made.first_token_ns = 40 * MS
    told = [
        (timed.phase, timed.start_ms, timed.end_ms, timed.running)
        for timed in of_record(made, 100 * MS).phases[5:]
    ]
    queue_end = pytest.approx(18.4)
    assert told == [
        (Phase.PREFILL, queue_end, 40.0, False),
        (Phase.DECODE, 40.0, 100.0, True),
        (Phase.STREAM, 40.0, 100.0, True),
    ]
    assert of_record(made, 100 * MS).unaccounted_ms == pytest.approx(0.2), "before the queue, as recorded"
    made.phases, made.current_phase = finished_record().phases[:7], Phase.STREAM
    assert [timed.phase for timed in of_record(made, 1070 * MS).phases if timed.running] == [Phase.STREAM]


def test_strips_of_several_requests_have_one_scale() -> None:
    """The one that runs for half as long has half the line; alone, a request has all of it."""
    made = record()
    made.current_phase = Phase.QUEUE
    (alone,), (beside,) = (strip(of_record(made, 100 * MS), whole_ms) for whole_ms in (0.0, 200.0))
    assert (alone.width, beside.width) == (100.0, 50.0)


def test_a_request_without_any_time_is_drawn() -> None:
    """Zero wall time divides nothing."""
    assert waterfall(Timeline(0.0)).unaccounted_ms == 0


@given(st.floats(1e-3, 1e7))
def test_ticks_are_few_and_round(wall_ms: float) -> None:
    """At most six ticks, the first at zero, none beyond the axis."""
    marks = ticks(wall_ms)
    assert 1 <= len(marks) <= 6
    assert marks[0].x == 0
    assert all(mark.x <= 100 for mark in marks)


@given(st.floats(1e-6, 1e9))
def test_a_nice_step_is_just_above(value: float) -> None:
    """1, 2 or 5 times a power of ten, less than ten times the value."""
    assert value * 0.999 <= nice_step(value) <= value * 10


@given(st.lists(st.none() | st.floats(0, 1e6), min_size=1, max_size=50))
def test_lines_stay_in_the_box_and_leave_gaps_open(values: list[float | None]) -> None:
    """Every measured value is drawn once, in the box; unmeasured ones are not bridged."""
    (line,) = lines([("p50", "p50", values)], scale_top(values))
    points = [tuple(map(float, pair.split(","))) for path in line.paths for pair in path.split()] + list(
        line.dots
    )
    assert len(points) == sum(value is not None for value in values)
    assert all(0 <= x <= BOX_WIDTH and 0 <= y <= BOX_HEIGHT for x, y in points)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=130))
def test_columns_stay_in_the_box(values: list[float]) -> None:
    """One column per step, side by side."""
    drawn = columns("requests", "requests", values, scale_top(values)).columns
    assert len(drawn) == len(values)
    assert all(x >= 0 and x + width <= 100.001 and 0 <= height <= 100 for x, width, height in drawn)


@given(st.lists(st.none() | st.floats(0.1, 1e5), min_size=1, max_size=12))
def test_heat_levels_follow_the_values(values: list[float | None]) -> None:
    """Unmeasured is 0; the lowest is 1, the highest the last, and a larger value is never lighter."""
    known = sorted(value for value in values if value is not None)
    if not known:
        assert {cell.level for cell in heat_row(values, 0, 0)} == {0}
        return
    levels = [heat_level(value, known[0], known[-1]) for value in known]
    assert levels == sorted(levels)
    assert levels[0] == 1
    assert levels[-1] in (1, HEAT_LEVELS)
    assert all((cell.level == 0) == (cell.value is None) for cell in heat_row(values, known[0], known[-1]))


@pytest.mark.parametrize("first_ms", [0.0, 12.5, 16.0, 23.9, 24.0, 50.0, 72.0, 72.1, 88.0, 100.0])
def test_the_first_tokens_label_stays_in_a_narrow_chart(first_ms: float) -> None:
    """On a phone it takes up to 48 % of the line: it lies to the side on which there is room for it."""
    mark = waterfall(Timeline(100.0, (), (), first_ms)).first_token
    assert mark is not None
    begin = {"start": mark.x, "middle": mark.x - 24, "end": mark.x - 48}[mark.anchor]
    assert begin >= 0
    assert begin + 48 <= 100
