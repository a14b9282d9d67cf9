"""Whose energy it was: what is given out adds up to what was measured, whoever ran when."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.energy.attribution import Activity, activity, split
from telemetry.energy.rapl import spent_uj
from telemetry.events import Phase
from telemetry.record import RequestRecord
from tests.telemetry.records import MS, ManualClock, answer, open_record, recorder

TIMES = st.integers(0, 1000)
ENDS = st.none() | TIMES
ACTIVITIES = st.lists(st.tuples(TIMES, ENDS), max_size=8).map(
    lambda bounds: [Activity(seq, start, end) for seq, (start, end) in enumerate(bounds)]
)
JOULES = st.floats(0, 1e6)


@st.composite
def intervals(draw: st.DrawFn) -> tuple[int, int]:
    start, length = draw(TIMES), draw(st.integers(1, 500))
    return start, start + length


@given(JOULES, intervals(), ACTIVITIES)
def test_nothing_is_lost_and_nothing_is_made(
    joules: float, interval: tuple[int, int], activities: list[Activity]
) -> None:
    """Shares and idle energy add up to what was measured; none is negative; who was not active has none."""
    found = split(joules, *interval, activities)
    assert sum(found.shares.values()) + found.idle_j == pytest.approx(joules, rel=1e-9, abs=1e-9)
    assert all(share >= 0 for share in found.shares.values())
    assert found.idle_j >= 0
    start, end = interval
    overlapping = {
        one.seq
        for one in activities
        if max(one.start_ns, start) < min(end if one.end_ns is None else one.end_ns, end)
    }
    assert set(found.shares) == overlapping


@given(JOULES, intervals(), ACTIVITIES, st.lists(TIMES, max_size=5))
def test_more_readings_change_nothing_at_constant_power(
    joules: float, interval: tuple[int, int], activities: list[Activity], cuts: list[int]
) -> None:
    """An interval cut into pieces, each with its part of the energy, gives the same shares."""
    start, end = interval
    whole = split(joules, start, end, activities)
    edges = sorted({start, end, *(cut for cut in cuts if start < cut < end)})
    pieces = [split(joules * (b - a) / (end - start), a, b, activities) for a, b in itertools.pairwise(edges)]
    for seq, share in whole.shares.items():
        assert sum(piece.shares.get(seq, 0.0) for piece in pieces) == pytest.approx(share, abs=1e-6)


@given(
    st.integers(1, 10**12), st.lists(st.integers(0, 10**12), min_size=1, max_size=20), st.integers(0, 10**12)
)
def test_a_counter_that_begins_again_loses_nothing(range_uj: int, steps: list[int], first: int) -> None:
    """A counter modulo its range tells every step that is smaller than the range."""
    true = list(itertools.accumulate((step % range_uj for step in steps), initial=first % range_uj))
    shown = [total % range_uj for total in true]
    told = [spent_uj(before, now, range_uj) for before, now in itertools.pairwise(shown)]
    assert sum(told) == true[-1] - true[0]


@pytest.mark.parametrize(
    ("activities", "shares", "idle"),
    [
        ([], {}, 10.0),
        ([Activity(1, 0, None)], {1: 10.0}, 0.0),
        ([Activity(1, 100, 150)], {1: 5.0}, 5.0),
        ([Activity(1, 100, 200), Activity(2, 100, 200)], {1: 5.0, 2: 5.0}, 0.0),
        ([Activity(1, 0, 150), Activity(2, 125, 500)], {1: 3.75, 2: 6.25}, 0.0),
        ([Activity(1, 110, 120), Activity(2, 180, 190)], {1: 1.0, 2: 1.0}, 8.0),
        ([Activity(1, 150, 150), Activity(2, 300, 400), Activity(3, 0, 100)], {}, 10.0),
    ],
)
def test_each_moment_is_shared_equally(
    activities: list[Activity], shares: dict[int, float], idle: float
) -> None:
    """10 J of [100, 200]."""
    found = split(10.0, 100, 200, activities)
    assert found.shares == pytest.approx(shares)
    assert found.idle_j == pytest.approx(idle)


def test_a_request_is_active_from_the_queue_to_its_last_token() -> None:
    """Not while it waits, not while its answer is still written; open while the engine has not told its
    end.
    """
    clock = ManualClock()
    rec = recorder(clock)
    record = open_record(rec, clock)
    assert activity(record) is None
    answer(rec, clock, record)
    queued, prefill = record.phase(Phase.QUEUE), record.phase(Phase.PREFILL)
    assert queued is not None
    assert prefill is not None
    assert activity(record) == Activity(record.seq, queued.end_ns, record.last_token_ns)
    assert activity(_only(record, Phase.QUEUE, current=Phase.QUEUE)) is None
    assert activity(_only(record, Phase.QUEUE, current=Phase.DECODE)) == Activity(
        record.seq, queued.end_ns, None
    )
    embedded = _only(record, Phase.QUEUE, Phase.PREFILL, current=Phase.PREFILL)
    embedded.last_token_ns = None
    assert activity(embedded) == Activity(record.seq, queued.end_ns, queued.end_ns + 100 * MS)


def _only(record: RequestRecord, *phases: Phase, current: Phase) -> RequestRecord:
    """The record as it was when it had these phases only."""
    kept = [timing for timing in record.phases if timing.phase in phases]
    return dataclasses.replace(record, phases=kept, current_phase=current)
