"""Engines in numbers: their heartbeats, their states, and what they run with.

A gauge says what is true of an engine that is ready. When it is not any more, its gauges fall to zero, and
those of which zero would not be true are forgotten; `firsttoken.engine.state` says what it is instead.
"""

from __future__ import annotations

from telemetry.events import CacheSample, CacheSource, EngineConfig, EngineSample, EngineState, EngineStatus
from telemetry.metrics import instruments as metric
from telemetry.metrics.instrument import Instrument
from telemetry.metrics.outlets import Outlets
from telemetry.speed_change import SpeedChange
from telemetry.trace_ids import TraceIds

DISCARD_REASONS = ("corrupt", "foreign", "unreadable", "disk_off")
"""Reasons why a file of the prefix cache is of no use;
`disk_off` counts how often the whole disk tier was turned off.
"""

GaugeSeries = tuple[Instrument, tuple[str, ...]]


class EngineMetrics:
    """Counts what engines do, and says how they are."""

    def __init__(self, out: Outlets) -> None:
        self._out = out
        self._states: dict[str, EngineState] = {}
        self._gauges: dict[str, set[GaugeSeries]] = {}
        self._configs: dict[str, tuple[str, ...]] = {}

    def status(self, status: EngineStatus) -> None:
        """An engine's state; the same again changes nothing."""
        model, state = status.model, status.state
        before, self._states[model] = self._states.get(model), state
        if before is None:
            # a series that begins with its first failure has no increase
            for outcome in (EngineState.READY, EngineState.FAILED):
                self._out.record(metric.LOADS, 0, model, outcome.value)
        if before is state:
            return
        for each in EngineState:
            self._out.record(metric.ENGINE_STATE, float(each is state), model, each.value)
        if state is not EngineState.READY:
            self._clear(model)
        if state in (EngineState.READY, EngineState.FAILED):
            self._out.record(metric.LOADS, 1, model, state.value)
        if state is EngineState.READY and status.load_ms is not None:
            self._out.record(
                metric.LOAD_DURATION, status.load_ms / 1e3, model, trace=TraceIds.of(status.load_traceparent)
            )

    def config(self, config: EngineConfig) -> None:
        """An engine is ready with this configuration."""
        # a series that begins with its first event has no increase to alert on
        for direction in ("faster", "slower"):
            self._out.record(metric.SPEED_CHANGES, 0, config.model, direction)
        labels = (config.model, *(str(getattr(config, field)) for field in metric.CONFIG_LABELS))
        before = self._configs.get(config.model)
        if before is not None and before != labels:
            self._out.forget(metric.ENGINE_CONFIG_INFO, *before)
        self._configs[config.model] = labels
        self._out.record(metric.ENGINE_CONFIG_INFO, 1, *labels)

    def speed_changed(self, change: SpeedChange, model: str) -> None:
        """An engine is faster or slower than the one before it."""
        self._out.record(metric.SPEED_CHANGES, 1, model, change.direction)

    def sample(self, sample: EngineSample) -> None:
        """A heartbeat. One that was under way when the engine
        ended still counts, but says nothing of how it is.
        """
        if self._states.get(sample.model, EngineState.READY) is EngineState.READY:
            self._present(sample)
        if sample.steps:
            self._steps(sample)
        if sample.cache is not None:
            self._cache_counts(sample.model, sample.cache)

    def _gauge(self, instrument: Instrument, value: float, model: str, *labels: str) -> None:
        self._gauges.setdefault(model, set()).add((instrument, (model, *labels)))
        self._out.record(instrument, value, model, *labels)

    def _clear(self, model: str) -> None:
        """The engine is gone: it has no slots, requests, cells,
        threads and bytes; what lies on the disk is not known.
        """
        for instrument, labels in self._gauges.pop(model, ()):
            if CacheSource.DISK.value in labels or instrument is metric.ENGINE_CONTENTION:
                self._out.forget(instrument, *labels)
            else:
                self._out.record(instrument, 0, *labels)
        config = self._configs.pop(model, None)
        if config is not None:
            self._out.forget(metric.ENGINE_CONFIG_INFO, *config)

    def _present(self, sample: EngineSample) -> None:
        model = sample.model
        self._gauge(metric.SLOTS, sample.slots_idle, model, "idle")
        self._gauge(metric.SLOTS, sample.slots_prefill, model, "prefill")
        self._gauge(metric.SLOTS, sample.slots_decode, model, "decode")
        self._gauge(metric.QUEUE_DEPTH, sample.queue_depth, model)
        self._gauge(metric.QUEUE_OLDEST_AGE, sample.queue_oldest_age_s, model)
        self._gauge(metric.KV_USAGE, sample.kv_used_tokens, model)
        self._gauge(metric.KV_LIMIT, sample.kv_limit_tokens, model)
        if sample.threads is not None:
            self._gauge(metric.ENGINE_THREADS, sample.threads.now, model)
            if sample.threads.contention is not None:
                self._gauge(metric.ENGINE_CONTENTION, sample.threads.contention, model)
        if sample.memory_bytes is not None:
            self._gauge(metric.MODEL_MEMORY, sample.memory_bytes, model)
        for part, size_bytes in sample.parts.items():
            self._gauge(metric.MODEL_MEMORY_PARTS, size_bytes, model, part)
        for tier in sample.cache.tiers if sample.cache is not None else ():
            self._gauge(metric.CACHE_ENTRIES, tier.entries, model, tier.tier.value)
            if tier.size_bytes is not None:
                self._gauge(metric.CACHE_BYTES, tier.size_bytes, model, tier.tier.value)

    def _cache_counts(self, model: str, cache: CacheSample) -> None:
        for tier in cache.tiers:
            self._out.total(
                metric.CACHE_EVICTIONS, cache.evicted_tokens.get(tier.tier.value, 0), model, tier.tier.value
            )
        for reason in DISCARD_REASONS:
            self._out.total(metric.CACHE_DISCARDED, cache.discarded.get(reason, 0), model, reason)
        self._out.total(metric.CACHE_RESTORE_FAILURES, cache.restore_failures, model)

    def _steps(self, sample: EngineSample) -> None:
        model, steps, out = sample.model, sample.steps, self._out
        for step in steps:
            if step.traceparent:
                out.record(
                    metric.STEP_DURATION, step.duration_ns / 1e9, model, trace=TraceIds.of(step.traceparent)
                )
        out.record_many(
            metric.STEP_DURATION, [step.duration_ns / 1e9 for step in steps if not step.traceparent], model
        )
        out.record_many(metric.BATCH_SEQUENCES, [step.sequences for step in steps], model)
        out.record_many(
            metric.BATCH_TOKENS,
            [step.prefill_tokens + step.decode_tokens + step.rejected_tokens for step in steps],
            model,
        )
        out.record(metric.ENGINE_TOKENS, sum(step.prefill_tokens for step in steps), model, "prefill")
        out.record(metric.ENGINE_TOKENS, sum(step.decode_tokens for step in steps), model, "decode")
        out.record(
            metric.ENGINE_TIME,
            sum(step.duration_ns for step in steps if step.prefill_tokens) / 1e9,
            model,
            "prefill",
        )
        out.record(
            metric.ENGINE_TIME,
            sum(step.duration_ns for step in steps if step.decode_tokens) / 1e9,
            model,
            "decode",
        )
