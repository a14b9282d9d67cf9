"""Which span cover a window."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from telemetry.store.rollups.spans import DAY, HOUR, LONG_SPANS, MINUTE, THIRTY_DAYS, cover

MINUTES = st.integers(0, 5 * THIRTY_DAYS)
YEAR = 365 * DAY


def multiples(length: int) -> st.SearchStrategy[int]:
    """Minutes at which a stretch of this length may begin."""
    return MINUTES.map(lambda minute: minute // length * length)


WATERMARKS = st.fixed_dictionaries({length: multiples(length) for length in LONG_SPANS})


@given(
    MINUTES,
    st.integers(0, 200_000),
    WATERMARKS,
    st.sampled_from([None, 1, 5, 15, 30, 60, 90, 120, 720, DAY, 7 * DAY]),
)
def test_every_minute_is_covered_once_by_what_is_there(
    first: int, size: int, watermarks: dict[int, int], step: int | None
) -> None:
    """Whatever is there of each length; span are aligned, complete, and within one step."""
    until = first + size
    at = first
    for span in cover(first, watermarks, until=until, step=step):
        assert span.first == at
        assert span.until is not None
        at = span.until
        if span.minutes != MINUTE:
            assert span.first % span.minutes == 0
            assert span.until % span.minutes == 0
            assert span.until <= watermarks[span.minutes]
            assert step is None or step % span.minutes == 0
    assert at == until


@given(MINUTES, WATERMARKS)
def test_without_an_end_the_last_ones_are_minutes(first: int, watermarks: dict[int, int]) -> None:
    """What was not merged yet is read as it was written."""
    *_, last = cover(first, watermarks)
    assert (last.minutes, last.until) == (MINUTE, None)


def test_a_year_is_few_rows() -> None:
    """Of one series: at most as many as there are span."""
    now = 20 * YEAR + 7 * HOUR + 22
    watermarks = {length: (now - 3) // length * length for length in LONG_SPANS}
    rows = sum(
        (span.until or now) - span.first for span in cover(now - YEAR, watermarks) if span.minutes == MINUTE
    )
    rows += sum(
        ((span.until or now) - span.first) // span.minutes
        for span in cover(now - YEAR, watermarks)
        if span.minutes > 1
    )
    assert rows < 80
