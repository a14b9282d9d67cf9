"""What is told of an engine that is not ready any more, in both backends."""

from __future__ import annotations

import pytest

from telemetry import instruments as metric
from telemetry.events import CacheSample, CacheSource, EngineSample, EngineState, EngineStatus, StepSample, ThreadSample, TierSample
from telemetry.instrument import Kind
from tests.telemetry.backends import Both, both
from tests.telemetry.records import CONFIG, MODEL

BUSY = EngineSample(
    MODEL, 3, 1, 4, 7, 42.0, 900, 2048, 10**8,
    (StepSample(10_000_000, 2, 30, 4),),
    CacheSample((TierSample(CacheSource.RAM, 2, 5000, 300), TierSample(CacheSource.DISK, 9, 90_000, 4000))),
    {"weights": 10**7, "kv": 10**6},
    ThreadSample(2, 4, 4, 0.25),
)  # fmt: skip

PRESENT = (
    metric.SLOTS,
    metric.QUEUE_DEPTH,
    metric.QUEUE_OLDEST_AGE,
    metric.KV_USAGE,
    metric.KV_LIMIT,
    metric.ENGINE_THREADS,
    metric.ENGINE_CONTENTION,
    metric.MODEL_MEMORY,
    metric.MODEL_MEMORY_PARTS,
    metric.CACHE_BYTES,
    metric.CACHE_ENTRIES,
    metric.ENGINE_CONFIG_INFO,
)
"""Gauges that speak of an engine that runs."""


def tell(found: Both, *states: EngineState) -> None:
    for state in states:
        found.sink.engine_status(EngineStatus(MODEL, state))


@pytest.mark.parametrize("ending", [EngineState.RESTARTING, EngineState.FAILED, EngineState.STOPPED, EngineState.STARTING])
def test_nothing_of_an_engine_that_ended_stays(ending: EngineState) -> None:
    """Its gauges are zero or gone, whatever it became; a heartbeat that was still under way does not bring them back."""
    with both() as found:
        tell(found, EngineState.STARTING, EngineState.READY)
        found.sink.engine_config(CONFIG)
        found.sink.engine_sample(BUSY)
        assert all(any(found.told(gauge).values()) for gauge in PRESENT)
        tell(found, ending)
        found.sink.engine_sample(BUSY)
        assert {gauge.name: [v for v in found.told(gauge).values() if v] for gauge in PRESENT} == {gauge.name: [] for gauge in PRESENT}
        assert found.told(metric.SLOTS) == {(MODEL, state): 0 for state in ("idle", "prefill", "decode")}
        assert (MODEL, "disk") not in found.told(metric.CACHE_BYTES)
        assert found.told(metric.ENGINE_TOKENS)[MODEL, "decode"] == 8


def test_a_new_life_is_told_again() -> None:
    """Once it is ready, its next heartbeat says how it is."""
    with both() as found:
        tell(found, EngineState.READY)
        found.sink.engine_sample(BUSY)
        tell(found, EngineState.RESTARTING, EngineState.FAILED, EngineState.STARTING, EngineState.READY)
        found.sink.engine_sample(BUSY)
        assert found.told(metric.QUEUE_OLDEST_AGE) == {(MODEL,): 42.0}


def test_every_gauge_of_an_engine_is_looked_at() -> None:
    """One that is added later must be cleared too."""
    others = {metric.ENGINE_STATE, metric.PREDICTED_WAIT}
    of_engines = {gauge for gauge in metric.ALL if gauge.kind is Kind.GAUGE and gauge.labels[:1] == metric.SLOTS.labels[:1]}
    assert of_engines - others == set(PRESENT)


def test_the_state_is_one_of_all() -> None:
    """1 for the state that it is in, 0 for each other one."""
    with both() as found:
        tell(found, EngineState.STARTING)
        assert found.told(metric.ENGINE_STATE) == {(MODEL, state.value): float(state is EngineState.STARTING) for state in EngineState}
        tell(found, EngineState.READY, EngineState.FAILED)
        assert found.told(metric.ENGINE_STATE) == {(MODEL, state.value): float(state is EngineState.FAILED) for state in EngineState}


def test_the_configuration_is_that_of_the_engine_that_runs() -> None:
    """A new one takes the place of the old one."""
    from dataclasses import replace

    with both() as found:
        for config in (CONFIG, replace(CONFIG, config_id="cfg-2", slots=2)):
            tell(found, EngineState.STARTING, EngineState.READY)
            found.sink.engine_config(config)
        [labels] = found.told(metric.ENGINE_CONFIG_INFO)
        assert labels == (MODEL, "cfg-2", "tiny.gguf", "Q4_1", "f16", "f16", "2", "2048", "2", "0", "b1")


def test_loads_count_from_zero() -> None:
    """The first failure is an increase."""
    with both() as found:
        tell(found, EngineState.STARTING)
        assert found.told(metric.LOADS) == {(MODEL, "ready"): 0, (MODEL, "failed"): 0}
        tell(found, EngineState.RESTARTING, EngineState.FAILED)
        assert found.told(metric.LOADS) == {(MODEL, "ready"): 0, (MODEL, "failed"): 1}
