"""The record's figures, context buckets, traceparent, and the log histograms."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import histogram
from telemetry.context_buckets import ContextBuckets
from telemetry.events import Phase, PhaseTiming, Status
from telemetry.record import covered_ns
from telemetry.recorder import Ended
from telemetry.trace_ids import trace_ids
from tests.telemetry.records import TRACEPARENT, ManualClock, completed, open_record, recorder

values = st.lists(st.floats(min_value=1e-3, max_value=1e12), min_size=1, max_size=200)
counts = st.dictionaries(st.integers(-500, 500), st.integers(1, 1000))


@given(values, st.floats(0, 1))
def test_percentile_is_within_one_percent_of_the_exact_one(numbers: list[float], q: float) -> None:
    """A percentile of the histogram is within 1 % of the exact nearest rank."""
    exact = sorted(numbers)[max(1, math.ceil(q * len(numbers))) - 1]
    found = histogram.percentile(histogram.count(numbers), q)
    assert found == pytest.approx(exact, rel=0.01)


@given(counts, counts, counts)
def test_merging_is_associative(a: dict[int, int], b: dict[int, int], c: dict[int, int]) -> None:
    """Histograms may be merged in any grouping."""
    left = histogram.merge(histogram.merge(dict(a), b), c)
    right = histogram.merge(dict(a), histogram.merge(dict(b), c))
    assert left == right


def test_nothing_measured_has_no_percentile() -> None:
    """An empty histogram yields None, and zeros yield 0."""
    assert histogram.percentile({}, 0.5) is None
    assert histogram.percentile(histogram.count([0.0]), 0.5) == 0.0


@pytest.mark.parametrize(
    ("tokens", "label"),
    [(0, "0-512"), (512, "0-512"), (513, "512-1k"), (131072, "64k-128k"), (131073, "128k+")],
)
def test_context_bucket_edges_are_inclusive(tokens: int, label: str) -> None:
    """An edge belongs to the bucket that it ends."""
    assert ContextBuckets().label(tokens) == label


def test_context_bucket_edges_must_rise() -> None:
    """Edges that do not rise are refused."""
    with pytest.raises(ValueError, match="rising"):
        ContextBuckets((512, 512))


def test_traceparent_is_continued() -> None:
    """Trace id, parent and the sampled flag of a caller are kept; the span id is new."""
    ids = trace_ids(TRACEPARENT, "a=b")
    assert (ids.trace_id, ids.parent_span_id, ids.flags, ids.tracestate) == (
        TRACEPARENT[3:35],
        TRACEPARENT[36:52],
        1,
        "a=b",
    )
    assert ids.span_id != ids.parent_span_id


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "ff" + TRACEPARENT[2:],
        TRACEPARENT + "-x",
        TRACEPARENT.upper(),
    ],
)
def test_invalid_traceparent_starts_a_new_trace(bad: str) -> None:
    """What the W3C text calls invalid is ignored."""
    assert trace_ids(bad).parent_span_id is None


@given(st.text(max_size=80))
def test_any_traceparent_gives_valid_ids(text: str) -> None:
    """Whatever a client sends, the ids are well formed and not zero."""
    ids = trace_ids(text)
    assert len(ids.trace_id) == 32
    assert int(ids.trace_id, 16) > 0
    assert int(ids.span_id, 16) > 0


spans = st.lists(st.tuples(st.integers(-50, 1050), st.integers(0, 400)), max_size=12)


@given(spans)
def test_covered_time_counts_overlap_once(intervals: list[tuple[int, int]]) -> None:
    """Covered time equals the number of nanoseconds that at least one phase holds: covered + unaccounted =
    wall.
    """
    phases = [PhaseTiming(Phase.DECODE, start, start + length) for start, length in intervals]
    exact = {ns for start, length in intervals for ns in range(max(0, start), min(1000, start + length))}
    assert covered_ns(phases, 0, 1000) == len(exact)


def test_the_waterfall_adds_up() -> None:
    """Phases and `unaccounted` are the wall time, although streaming overlaps decode."""
    record = completed()
    assert record.ended_ns is not None
    covered = covered_ns(record.phases, record.started_ns, record.ended_ns) / 1e6
    assert record.unaccounted_ms is not None
    assert covered + record.unaccounted_ms == record.total_ms == 200.5
    assert record.unaccounted_ms == 0


def test_figures_of_a_request() -> None:
    """TTFT, rates, gaps and stalls follow from the stamps."""
    record = completed()
    assert record.ttft_ms == 109.5
    assert record.decode_tps == pytest.approx(3 / 0.09)
    assert record.prefill_tps == pytest.approx(5000)
    assert (record.gap_ms(0.5), record.gap_ms(0.95), record.gap_ms(1.0), record.stalls) == (20, 60, 60, 0)
    assert record.overhead_ms == pytest.approx(2)


def test_a_request_that_failed_early_measured_nothing() -> None:
    """Without a token there is no TTFT, no rate and no gap."""
    clock = ManualClock()
    rec = recorder(clock)
    record = open_record(rec, clock)
    rec.close(record, Ended(Status.ERROR, 429, "queue_full"))
    assert (record.ttft_ms, record.decode_tps, record.prefill_tps, record.gap_ms(0.5)) == (
        None,
        None,
        None,
        None,
    )


def test_steps_of_many_tokens_are_no_stalls() -> None:
    """Nor are single tokens among them: a stall is long for a wait, and long for what came with it."""
    record = completed()
    record.gaps_us, record.bursts = [10_000] * 4 + [3_000] * 50 + [10_000] * 4, [1] * 4 + [10] * 5 + [1] * 4
    assert record.gap_ms(0.5) == 3
    assert record.stalls == 0
    record.gaps_us, record.bursts = [3_000] * 100, [10, 1, 1, 1, 87]
    assert record.stalls == 0


def test_a_stall_among_steps_of_many_tokens() -> None:
    """It is the whole wait, from the tokens before it to its own."""
    record = completed()
    record.gaps_us, record.bursts = (
        [2_000] * 50 + [40_000] * 10 + [200_000] + [2_000] * 10,
        [10] * 6 + [1] + [10],
    )
    assert record.first_token_ns is not None
    assert record.stalled_gaps() == [
        (record.first_token_ns + 100_000_000, 400_000_000),
        (record.first_token_ns + 500_000_000, 200_000_000),
    ]
    assert record.stalls == 2


def test_where_everything_is_slow_the_objective_tells_a_stall() -> None:
    """Gaps that are all alike are no multiple of their median: those above the objective for gaps are
    stalls.
    """
    record = completed()
    record.gaps_us = [900_000] * 10 + [100_000]
    assert record.stalls == 0
    record.slow_gap_ms = 250
    assert record.stalls == 10
    assert {wait_ns for _, wait_ns in record.stalled_gaps()} == {900_000_000}
    record.gaps_us, record.bursts = [100_000] * 40, [10] * 4
    assert record.stalls == 0, "tokens of one step share its time, as in the objective"


def test_stalls_of_single_tokens() -> None:
    """Gaps of more than four medians, as without guesses."""
    record = completed()
    record.gaps_us = [10_000] * 5 + [40_000, 41_000]
    assert record.first_token_ns is not None
    assert record.stalled_gaps() == [(record.first_token_ns + 90_000_000, 41_000_000)]
