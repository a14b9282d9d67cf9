"""Model loads that requests felt: their own that they waited for, and those of other models that stalled
them.
"""

from __future__ import annotations

from telemetry.events import DelayCause, EngineState, EngineStatus, Phase, Status
from telemetry.record import RequestRecord
from telemetry.recorder import Ended
from telemetry.watches.loads import LoadWatch
from tests.telemetry.records import MODEL, ManualClock, answer, open_record, recorder

STEADY = (10.0,) * 10


def finished(
    watch: LoadWatch,
    clock: ManualClock,
    gaps_ms: tuple[float, ...],
    waited_ms: float = 0,
    slow_gap_ms: float | None = None,
) -> RequestRecord:
    rec = recorder(clock, watch)
    record = open_record(rec, clock)
    record.slow_gap_ms = slow_gap_ms
    rec.admit(record)
    if waited_ms:
        rec.phase(record, Phase.MODEL_LOAD, clock(), clock.advance(waited_ms))
    answer(rec, clock, record, gaps_ms=gaps_ms)
    rec.close(record, Ended(Status.OK, 200))
    return record


def test_the_wait_for_its_own_model() -> None:
    """A request that came before its model was there waited for the load, and nothing else is blamed."""
    record = finished(LoadWatch(), ManualClock(), STEADY, waited_ms=300)
    assert [
        (delay.cause, delay.seq, delay.model, delay.total_ns, delay.times) for delay in record.delayed_by
    ] == [(DelayCause.MODEL_LOAD, None, MODEL, 300_000_000, 1)]


def test_a_stall_while_another_model_is_loaded() -> None:
    """What a gap was longer than the median is blamed on the load that it fell into; gaps of the usual
    length are not.
    """
    clock = ManualClock()
    watch = LoadWatch(clock)
    watch.engine_status(EngineStatus("other", EngineState.STARTING))
    record = finished(watch, clock, (*STEADY, 110, 10, 60))
    assert [(delay.model, delay.total_ns, delay.times, delay.longest_ns) for delay in record.delayed_by] == [
        ("other", 150_000_000, 2, 100_000_000)
    ]
    assert record.first_token_ns is not None
    assert record.delayed_by[0].longest_at_ns == record.first_token_ns + 100_000_000


def test_what_is_usual_is_not_blamed() -> None:
    """A gap that is a stall by the objective alone costs what it was longer than the median, and nothing
    less than nothing.
    """
    clock = ManualClock()
    watch = LoadWatch(clock)
    watch.engine_status(EngineStatus("other", EngineState.STARTING))
    record = finished(watch, clock, (300.0, 300.0, 300.0, 310.0, 290.0), slow_gap_ms=250)
    assert record.stalls == 5
    assert [(delay.model, delay.total_ns, delay.times) for delay in record.delayed_by] == [
        ("other", 10_000_000, 1)
    ]


def test_a_stall_outside_of_loads_is_nobodys() -> None:
    """A load that had ended, and that of the request's own model, are not blamed."""
    clock = ManualClock()
    watch = LoadWatch(clock)
    for model, state in (
        ("other", EngineState.STARTING),
        ("other", EngineState.READY),
        (MODEL, EngineState.RESTARTING),
    ):
        watch.engine_status(EngineStatus(model, state))
        clock.advance(5)
    assert not finished(watch, clock, (*STEADY, 110)).delayed_by
