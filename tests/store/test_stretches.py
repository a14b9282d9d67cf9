"""Which stretches cover a window."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from telemetry.store.rollups.stretches import DAY, HOUR, LONG, MINUTE, MONTH, cover

MINUTES = st.integers(0, 5 * MONTH)
YEAR = 365 * DAY


def multiples(length: int) -> st.SearchStrategy[int]:
    """Minutes at which a stretch of this length may begin."""
    return MINUTES.map(lambda minute: minute // length * length)


MARKS = st.fixed_dictionaries({length: multiples(length) for length in LONG})


@given(MINUTES, st.integers(0, 200_000), MARKS, st.sampled_from([None, 1, 5, 15, 30, 60, 90, 120, 720, DAY, 7 * DAY]))
def test_every_minute_is_covered_once_by_what_is_there(first: int, size: int, marks: dict[int, int], step: int | None) -> None:
    """Whatever is there of each length; stretches are aligned, complete, and within one step."""
    until = first + size
    at = first
    for stretches in cover(first, marks, until=until, step=step):
        assert stretches.first == at
        assert stretches.until is not None
        at = stretches.until
        if stretches.minutes != MINUTE:
            assert stretches.first % stretches.minutes == 0
            assert stretches.until % stretches.minutes == 0
            assert stretches.until <= marks[stretches.minutes]
            assert step is None or step % stretches.minutes == 0
    assert at == until


@given(MINUTES, MARKS)
def test_without_an_end_the_last_ones_are_minutes(first: int, marks: dict[int, int]) -> None:
    """What was not merged yet is read as it was written."""
    *_, last = cover(first, marks)
    assert (last.minutes, last.until) == (MINUTE, None)


def test_a_year_is_few_rows() -> None:
    """Of one series: at most as many as there are stretches."""
    now = 20 * YEAR + 7 * HOUR + 22
    marks = {length: (now - 3) // length * length for length in LONG}
    rows = sum((stretches.until or now) - stretches.first for stretches in cover(now - YEAR, marks) if stretches.minutes == MINUTE)
    rows += sum(
        ((stretches.until or now) - stretches.first) // stretches.minutes for stretches in cover(now - YEAR, marks) if stretches.minutes > 1
    )
    assert rows < 80
