"""The live sink: what pages show of the present is one account, and ends with the engine that it is about."""

from __future__ import annotations

from dataclasses import replace

import pytest

from telemetry.events import EngineSample, EngineState, EngineStatus, Phase, PhaseTiming, Status
from telemetry.live import SILENT_S, LiveSink
from telemetry.record import RequestRecord
from telemetry.recorder import Ended
from tests.telemetry.records import EPOCH_NS, MODEL, MS, ManualClock, open_record, recorder

READY = EngineStatus(MODEL, EngineState.READY, pid=7)
HEARTBEAT = EngineSample(MODEL, 5, 3, 0, 0, 0.0, 900, 8192, 10**9)


def running(sink: LiveSink, clock: ManualClock, *phases: Phase, engine: str = MODEL) -> list[RequestRecord]:
    """Requests that the engine has in these phases."""
    rec = recorder(clock, sink, wall_ns=EPOCH_NS + clock())
    made = [open_record(rec, clock) for _ in phases]
    for record, phase in zip(made, phases, strict=True):
        record.engine = engine
        rec.admit(record)
        rec.enter(record, phase)
    return made


def slots(sink: LiveSink) -> tuple[int, ...]:
    """Idle, prefill, decode, queue."""
    sample = sink.engines()[0].sample
    assert sample is not None
    return sample.slots_idle, sample.slots_prefill, sample.slots_decode, sample.queue_depth


def test_slots_and_queue_are_the_phases_of_the_requests() -> None:
    """Whatever the last heartbeat said, which may be a second old; those of other engines, and those that are
    only written yet, count for nothing.
    """
    clock = ManualClock()
    sink = LiveSink(clock)
    sink.engine_status(READY)
    sink.engine_sample(HEARTBEAT)
    assert slots(sink) == (8, 0, 0, 0)
    made = running(
        sink, clock, Phase.PREFILL, Phase.DECODE, Phase.DECODE, Phase.QUEUE, Phase.STREAM, Phase.ADMIT
    )
    running(sink, clock, Phase.PREFILL, engine="other")
    assert slots(sink) == (5, 1, 2, 1)
    made[3].phases.append(PhaseTiming(Phase.TOKENIZE, clock(), clock.advance(10)))
    clock.advance(2500)
    sample = sink.engines()[0].sample
    assert sample is not None
    assert sample.queue_oldest_age_s == 2.5
    assert sample.kv_used_tokens == 900, "the heartbeat has the rest"


def test_inputs_of_a_batch_are_the_engines_to_count() -> None:
    """Embeddings: one request may fill all slots."""
    clock = ManualClock()
    sink = LiveSink(clock)
    sink.engine_status(READY)
    sink.engine_sample(replace(HEARTBEAT, slots_idle=0, slots_prefill=8))
    for record in running(sink, clock, Phase.PREFILL, Phase.QUEUE):
        record.operation = "embeddings"
    assert slots(sink) == (0, 8, 0, 1)


@pytest.mark.parametrize(
    "state", [EngineState.RESTARTING, EngineState.FAILED, EngineState.STOPPED, EngineState.STARTING]
)
def test_nothing_is_known_of_an_engine_without_a_process(state: EngineState) -> None:
    """Its slots, memory and heartbeat end with it, and what arrives late does not bring them back; the
    next process tells its own.
    """
    clock = ManualClock()
    sink = LiveSink(clock)
    sink.engine_status(READY)
    sink.engine_sample(HEARTBEAT)
    (record,) = running(sink, clock, Phase.DECODE)
    sink.engine_status(replace(READY, state=state, reason="was killed by signal 9", pid=None))
    sink.engine_sample(HEARTBEAT)
    (engine,) = sink.engines()
    assert (engine.sample, engine.heard_ns, engine.silent_s) == (None, None, None)
    recorder(clock, sink).close(record, Ended(Status.ERROR, 503, "engine_unavailable"))
    sink.engine_status(READY)
    assert sink.engines()[0].sample is None
    sink.engine_sample(HEARTBEAT)
    assert slots(sink) == (8, 0, 0, 0)


def test_an_old_heartbeat_is_said_to_be_old() -> None:
    """An engine that hangs goes on having memory and slots, as they were when it was last heard of."""
    clock = ManualClock()
    sink = LiveSink(clock)
    sink.engine_status(READY)
    sink.engine_sample(HEARTBEAT)
    clock.now_ns += round(SILENT_S * 1e9)
    assert sink.engines()[0].silent_s is None
    clock.now_ns += MS
    assert sink.engines()[0].silent_s == pytest.approx(SILENT_S + 0.001)
