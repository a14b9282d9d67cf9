"""What engines tell of themselves in numbers; of one that is not ready any more, in both backends."""

from __future__ import annotations

import pytest

from telemetry.events import (
    CacheSample,
    CacheSource,
    EngineSample,
    EngineState,
    EngineStatus,
    StepSample,
    ThreadSample,
    TierSample,
)
from telemetry.metrics import catalog
from telemetry.metrics import instruments as metric
from telemetry.metrics.instrument import Kind
from tests.telemetry.backends import Both, both
from tests.telemetry.metric_values import sink, value
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


@pytest.mark.parametrize(
    "ending", [EngineState.RESTARTING, EngineState.FAILED, EngineState.STOPPED, EngineState.STARTING]
)
def test_nothing_of_an_engine_that_ended_stays(ending: EngineState) -> None:
    """Its gauges are zero or gone, whatever it became; a heartbeat that was still under way does not bring
    them back.
    """
    with both() as found:
        tell(found, EngineState.STARTING, EngineState.READY)
        found.sink.engine_config(CONFIG)
        found.sink.engine_sample(BUSY)
        assert all(any(found.series(gauge).values()) for gauge in PRESENT)
        tell(found, ending)
        found.sink.engine_sample(BUSY)
        assert {gauge.name: [v for v in found.series(gauge).values() if v] for gauge in PRESENT} == {
            gauge.name: [] for gauge in PRESENT
        }
        assert found.series(metric.SLOTS) == {(MODEL, state): 0 for state in ("idle", "prefill", "decode")}
        assert (MODEL, "disk") not in found.series(metric.CACHE_BYTES)
        assert found.series(metric.ENGINE_TOKENS)[MODEL, "decode"] == 8


def test_a_new_life_is_told_again() -> None:
    """Once it is ready, its next heartbeat says how it is."""
    with both() as found:
        tell(found, EngineState.READY)
        found.sink.engine_sample(BUSY)
        tell(found, EngineState.RESTARTING, EngineState.FAILED, EngineState.STARTING, EngineState.READY)
        found.sink.engine_sample(BUSY)
        assert found.series(metric.QUEUE_OLDEST_AGE) == {(MODEL,): 42.0}


def test_every_gauge_of_an_engine_is_looked_at() -> None:
    """One that is added later must be cleared too."""
    others = {metric.ENGINE_STATE, metric.PREDICTED_WAIT}
    of_engines = {
        gauge
        for gauge in catalog.ALL
        if gauge.kind is Kind.GAUGE and gauge.labels[:1] == metric.SLOTS.labels[:1]
    }
    assert of_engines - others == set(PRESENT)


def test_the_state_is_one_of_all() -> None:
    """1 for the state that it is in, 0 for each other one."""
    with both() as found:
        tell(found, EngineState.STARTING)
        assert found.series(metric.ENGINE_STATE) == {
            (MODEL, state.value): float(state is EngineState.STARTING) for state in EngineState
        }
        tell(found, EngineState.READY, EngineState.FAILED)
        assert found.series(metric.ENGINE_STATE) == {
            (MODEL, state.value): float(state is EngineState.FAILED) for state in EngineState
        }


def test_the_configuration_is_that_of_the_engine_that_runs() -> None:
    """A new one takes the place of the old one."""
    from dataclasses import replace

    with both() as found:
        for config in (CONFIG, replace(CONFIG, config_id="cfg-2", slots=2)):
            tell(found, EngineState.STARTING, EngineState.READY)
            found.sink.engine_config(config)
        [labels] = found.series(metric.ENGINE_CONFIG_INFO)
        assert labels == (MODEL, "cfg-2", "tiny.gguf", "Q4_1", "f16", "f16", "2", "2048", "2", "0", "b1")


def test_loads_count_from_zero() -> None:
    """The first failure is an increase."""
    with both() as found:
        tell(found, EngineState.STARTING)
        assert found.series(metric.LOADS) == {(MODEL, "ready"): 0, (MODEL, "failed"): 0}
        tell(found, EngineState.RESTARTING, EngineState.FAILED)
        assert found.series(metric.LOADS) == {(MODEL, "ready"): 0, (MODEL, "failed"): 1}


def test_rejected_guesses_are_no_tokens_of_the_engine() -> None:
    """A step that verified four guesses and took one of them gave two tokens; its batch had five."""
    metrics = sink()
    steps = (StepSample(10_000_000, 1, 0, 2, rejected_tokens=3),)
    metrics.engine_sample(EngineSample(MODEL, 6, 1, 1, 3, 1.5, 100, 2048, 10**8, steps))
    assert value(metrics, "firsttoken_engine_tokens_total", phase="decode") == 2
    assert value(metrics, "firsttoken_engine_time_seconds_total", phase="decode") == pytest.approx(0.010)
    assert value(metrics, "firsttoken_engine_batch_tokens_sum") == 5


def test_engine_steps_become_rates() -> None:
    """A mixed step's time counts for both phases, its tokens for each."""
    metrics = sink()
    steps = (StepSample(10_000_000, 2, 30, 1), StepSample(5_000_000, 1, 0, 1))
    metrics.engine_sample(EngineSample(MODEL, 6, 1, 1, 3, 1.5, 100, 2048, 10**8, steps))
    assert value(metrics, "firsttoken_engine_tokens_total", phase="prefill") == 30
    assert value(metrics, "firsttoken_engine_time_seconds_total", phase="prefill") == pytest.approx(0.010)
    assert value(metrics, "firsttoken_engine_time_seconds_total", phase="decode") == pytest.approx(0.015)
    assert value(metrics, "firsttoken_engine_slots", state="idle") == 6
    assert value(metrics, "firsttoken_engine_batch_tokens_sum") == 32


def test_a_load_is_counted_when_it_ends() -> None:
    """Ready counts once per load, however often the state is told."""
    metrics = sink()
    for state in (
        EngineState.STARTING,
        EngineState.READY,
        EngineState.READY,
        EngineState.RESTARTING,
        EngineState.READY,
    ):
        metrics.engine_status(EngineStatus(MODEL, state, load_ms=1500.0))
    assert value(metrics, "firsttoken_model_loads_total", state="ready") == 2
    assert value(metrics, "firsttoken_model_load_duration_seconds_sum") == pytest.approx(3.0)
