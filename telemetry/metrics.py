"""The metrics sink: what a record or an engine event means in numbers, said once and handed to every backend.

TTFT, rates and gaps are recorded only where they were measured; every completed request counts in
`gen_ai.server.request.duration`. Called from the gateway's event loop only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from telemetry import ignored_fields
from telemetry import instruments as metric
from telemetry.drafts import drafted_by
from telemetry.events import CacheOutcome, CacheSample, EngineConfig, EngineSample, EngineState, EngineStatus, Phase
from telemetry.instrument import Instrument
from telemetry.metrics_prometheus import PrometheusBackend
from telemetry.record import RequestRecord, TraceIds
from telemetry.recorder import NullSink
from telemetry.semconv import UNKNOWN_MODEL
from telemetry.speed_change import SpeedChange

log = logging.getLogger(__name__)

HTTP_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"})
"""Known to the HTTP convention; any other is `_OTHER`."""

SCHEME = "http"
"""TLS, where there is any, ends before us."""

DISCARD_REASONS = ("corrupt", "foreign", "unreadable", "disk_off")
"""Why a file of the prefix cache is of no use; `disk_off` counts how often the whole disk tier was turned off."""


class Backend(Protocol):
    """Where values go. `labels` are in the instrument's order, '' where a label does not apply."""

    def record(self, instrument: Instrument, value: float, labels: tuple[str, ...], trace: TraceIds | None) -> None:
        """Record one value, with the trace that it is an example of."""

    def record_many(self, instrument: Instrument, values: Sequence[float], labels: tuple[str, ...], trace: TraceIds | None = None) -> None:
        """Record several values of one series; the trace is an example of the largest."""


class Source(Protocol):
    """Something that is read when metrics are: it records its present figures through the sink. It must not wait for anything,
    since it is asked on the event loop; if it raises, that is counted under its `name`.
    """

    name: str

    def collect(self, sink: MetricsSink) -> None:
        """Record what is true now."""


class MetricsSink(NullSink):
    """Turns events into values; `served` gives the names of the models that we serve now."""

    def __init__(
        self,
        served: Callable[[], Collection[str]],
        prometheus: PrometheusBackend | None = None,
        others: Sequence[Backend] = (),
        sources: Sequence[Source] = (),
    ) -> None:
        self.prometheus = prometheus or PrometheusBackend()
        self._served = served
        self._backends: tuple[Backend, ...] = (self.prometheus, *others)
        self._sources = tuple(sources)
        self._failed_sources: set[str] = set()
        for source in self._sources:  # a series that begins with its first failure has no increase to see
            self.record(metric.SOURCE_FAILURES, 0, source.name)
        self._states: dict[str, EngineState] = {}
        self._totals: dict[tuple[Instrument, tuple[str, ...]], float] = {}

    def record(self, instrument: Instrument, value: float, *labels: str, trace: TraceIds | None = None) -> None:
        """Hand one value to every backend."""
        for backend in self._backends:
            backend.record(instrument, value, labels, trace)

    def total(self, instrument: Instrument, value: float, *labels: str) -> None:
        """Bring a counter to a total that somebody else counts; a total that fell is a new count from 0."""
        before = self._totals.get((instrument, labels), 0.0)
        self._totals[(instrument, labels)] = value
        self.record(instrument, value - before if value >= before else value, *labels)

    def level(self, instrument: Instrument, value: float, *labels: str) -> None:
        """Bring an up-down counter to a level that somebody else reads."""
        before = self._totals.get((instrument, labels), 0.0)
        self._totals[(instrument, labels)] = value
        self.record(instrument, value - before, *labels)

    def refresh(self) -> None:
        """Read every source. `SystemMonitor` calls this now and then, `render` before every scrape. One that fails is read again
        next time; the others, and the page, do without it.
        """
        for source in self._sources:
            try:
                source.collect(self)
            except Exception as error:
                self.record(metric.SOURCE_FAILURES, 1, source.name)
                if source.name not in self._failed_sources:
                    self._failed_sources.add(source.name)
                    log.warning("figures of %s cannot be read; further failures are only counted: %s", source.name, error)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Body and content type of `/metrics` for an Accept header."""
        self.refresh()
        return self.prometheus.render(accept)

    # Requests -------------------------------------------------------------------------------------------------------
    def completed(self, record: RequestRecord) -> None:
        labels = self._labels(record)
        self._latencies(record, labels)
        self._tokens(record, labels)
        self._rates(record, (*labels, record.context_bucket or ""))
        self._drafts(record, labels[0])
        self._prediction(record, labels[0])
        self._phases(record, labels[0])
        for delay in record.delayed_by:
            self.record(metric.DELAY_TIME, delay.total_ns / 1e9, labels[0], delay.cause.value)

        for field in record.ignored_fields:
            self.record(metric.IGNORED_FIELDS, 1, record.api, ignored_fields.label(field))

    def rejected(self, reason: str) -> None:
        self.record(metric.REJECTED, 1, reason)

    def _labels(self, record: RequestRecord) -> tuple[str, str, str, str]:
        """`instruments.REQUEST_LABELS` of a record."""
        request = self._known(record.model) if record.model else UNKNOWN_MODEL
        response = self._known(record.response_model) if record.response_model else ""
        return request, response, record.operation, record.error_type or ""

    def _known(self, model: str) -> str:
        """The name if we serve it: a client must not be able to make series."""
        return model if model in self._served() else UNKNOWN_MODEL

    def _latencies(self, record: RequestRecord, labels: tuple[str, ...]) -> None:
        if record.total_ms is not None:
            self.record(metric.REQUEST_DURATION, record.total_ms / 1e3, *labels, trace=record.trace)
        if record.ttft_ms is not None:
            self.record(metric.TTFT, record.ttft_ms / 1e3, *labels, trace=record.trace)
        if record.decode_tps:
            self.record(metric.TIME_PER_OUTPUT_TOKEN, 1 / record.decode_tps, *labels, trace=record.trace)
        if record.gaps_us:
            gaps_s = [gap / 1e6 for gap in record.gaps_us]
            for backend in self._backends:
                backend.record_many(metric.INTER_TOKEN, gaps_s, labels[:1], record.trace)

    def _tokens(self, record: RequestRecord, labels: tuple[str, ...]) -> None:
        if record.prompt_tokens:
            self.record(metric.INPUT_TOKENS, record.prompt_tokens, *labels)
        if record.completion_tokens:
            self.record(metric.OUTPUT_TOKENS, record.completion_tokens, *labels)
        if record.cache is not None and record.prompt_tokens:
            self.record(metric.CACHE_READ_TOKENS, record.cache.matched_tokens, *labels)
            self._cached_share(record.cache, record, labels[0])

    def _cached_share(self, cache: CacheOutcome, record: RequestRecord, model: str) -> None:
        """What hits ÷ queries is of: prompts that were computed to their end, as in the store (`queries.cached`)."""
        if record.prompt_tokens is None or record.computed_tokens is None:
            return
        reason = cache.reason.value
        self.record(metric.CACHE_QUERIES, record.prompt_tokens, model, reason)
        self.record(metric.CACHE_HITS, cache.matched_tokens, model, cache.source.value, reason)
        self.record(metric.ENGINE_TOKENS, cache.matched_tokens, model, "cached")

    def _rates(self, record: RequestRecord, labels: tuple[str, ...]) -> None:
        if record.context_bucket is None:
            return
        if record.ttft_ms is not None:
            self.record(metric.TTFT_BY_CONTEXT, record.ttft_ms / 1e3, *labels, trace=record.trace)
        if record.decode_tps is not None:
            self.record(metric.OUTPUT_RATE, record.decode_tps, *labels, trace=record.trace)
        if record.prefill_tps is not None:
            self.record(metric.PROMPT_RATE, record.prefill_tps, *labels, trace=record.trace)

    def _drafts(self, record: RequestRecord, model: str) -> None:
        decode = record.phase(Phase.DECODE)
        if decode is not None and "draft" in decode.attributes:
            self.record(metric.ENGINE_TOKENS, float(decode.attributes["draft"]), model, "draft")
            self.record(metric.ENGINE_TOKENS, float(decode.attributes["accepted"]), model, "accepted")
            for source, tokens in drafted_by(decode.attributes).items():
                self.record(metric.DRAFT_TOKENS, tokens.accepted, model, source, "accepted")
                self.record(metric.DRAFT_TOKENS, tokens.drafted - tokens.accepted, model, source, "rejected")

    def _prediction(self, record: RequestRecord, model: str) -> None:
        """Predicted at the end of the lookup, measured from there to the first token."""
        lookup = record.phase(Phase.CACHE_LOOKUP)
        if lookup is None or record.predicted_ttft_ms is None or record.first_token_ns is None:
            return
        off_s = record.predicted_ttft_ms / 1e3 - (record.first_token_ns - lookup.end_ns) / 1e9
        self.record(metric.TTFT_PREDICTION_ERROR, abs(off_s), model, "over" if off_s > 0 else "under", trace=record.trace)

    def _phases(self, record: RequestRecord, model: str) -> None:
        for timing in record.phases:
            seconds = max(0, timing.end_ns - timing.start_ns) / 1e9
            self.record(metric.PHASE_DURATION, seconds, model, timing.phase.value, trace=record.trace)
        if record.overhead_ms is not None:
            self.record(metric.OVERHEAD, record.overhead_ms / 1e3, model, trace=record.trace)

    # Engines --------------------------------------------------------------------------------------------------------
    def engine_status(self, status: EngineStatus) -> None:
        before, self._states[status.model] = self._states.get(status.model), status.state
        if before is status.state or status.state not in (EngineState.READY, EngineState.FAILED):
            return
        self.record(metric.LOADS, 1, status.model, status.state.value)
        if status.state is EngineState.READY and status.load_ms is not None:
            self.record(metric.LOAD_DURATION, status.load_ms / 1e3, status.model, trace=TraceIds.of(status.load_traceparent))

    def engine_sample(self, sample: EngineSample) -> None:
        model = sample.model
        self.record(metric.SLOTS, sample.slots_idle, model, "idle")
        self.record(metric.SLOTS, sample.slots_prefill, model, "prefill")
        self.record(metric.SLOTS, sample.slots_decode, model, "decode")
        self.record(metric.QUEUE_DEPTH, sample.queue_depth, model)
        self.record(metric.QUEUE_OLDEST_AGE, sample.queue_oldest_age_s, model)
        self.record(metric.KV_USAGE, sample.kv_used_tokens, model)
        self.record(metric.KV_LIMIT, sample.kv_limit_tokens, model)
        if sample.threads is not None:
            self.record(metric.ENGINE_THREADS, sample.threads.now, model)
            if sample.threads.contention is not None:
                self.record(metric.ENGINE_CONTENTION, sample.threads.contention, model)
        if sample.memory_bytes is not None:
            self.record(metric.MODEL_MEMORY, sample.memory_bytes, model)
        for part, size_bytes in sample.parts.items():
            self.record(metric.MODEL_MEMORY_PARTS, size_bytes, model, part)
        if sample.steps:
            self._steps(sample)
        if sample.cache is not None:
            self._cache(model, sample.cache)

    def engine_config(self, config: EngineConfig) -> None:
        for direction in ("faster", "slower"):  # a series that begins with its first event has no increase to alert on
            self.record(metric.SPEED_CHANGES, 0, config.model, direction)

    def speed_changed(self, change: SpeedChange) -> None:
        self.record(metric.SPEED_CHANGES, 1, self._known(change.model), change.direction)

    def _cache(self, model: str, cache: CacheSample) -> None:
        for tier in cache.tiers:
            self.record(metric.CACHE_ENTRIES, tier.entries, model, tier.tier.value)
            if tier.size_bytes is not None:
                self.record(metric.CACHE_BYTES, tier.size_bytes, model, tier.tier.value)
            self.total(metric.CACHE_EVICTIONS, cache.evicted_tokens.get(tier.tier.value, 0), model, tier.tier.value)
        for reason in DISCARD_REASONS:
            self.total(metric.CACHE_DISCARDED, cache.discarded.get(reason, 0), model, reason)
        self.total(metric.CACHE_RESTORE_FAILURES, cache.restore_failures, model)

    def _steps(self, sample: EngineSample) -> None:
        model, steps = sample.model, sample.steps
        for step in steps:
            if step.traceparent:
                self.record(metric.STEP_DURATION, step.duration_ns / 1e9, model, trace=TraceIds.of(step.traceparent))
        durations = [step.duration_ns / 1e9 for step in steps if not step.traceparent]
        sequences = [step.sequences for step in steps]
        tokens = [step.prefill_tokens + step.decode_tokens + step.rejected_tokens for step in steps]
        for backend in self._backends:
            backend.record_many(metric.STEP_DURATION, durations, (model,))
            backend.record_many(metric.BATCH_SEQUENCES, sequences, (model,))
            backend.record_many(metric.BATCH_TOKENS, tokens, (model,))
        prefilled = sum(step.prefill_tokens for step in steps)
        self.record(metric.ENGINE_TOKENS, prefilled, model, "prefill")
        self.record(metric.ENGINE_TOKENS, sum(step.decode_tokens for step in steps), model, "decode")
        self.record(metric.ENGINE_TIME, sum(step.duration_ns for step in steps if step.prefill_tokens) / 1e9, model, "prefill")
        self.record(metric.ENGINE_TIME, sum(step.duration_ns for step in steps if step.decode_tokens) / 1e9, model, "decode")

    # HTTP -----------------------------------------------------------------------------------------------------------
    def http_started(self, method: str) -> None:
        """Count a request in flight; each call is paired with one of `http_request`."""
        self.record(metric.HTTP_ACTIVE, 1, _method(method), SCHEME)

    def http_request(self, method: str, route: str, status: int, duration_s: float, trace: TraceIds | None = None) -> None:
        """Record a finished HTTP request; `route` is the template (`/a/{id}`), '' where nothing matched, never the raw path.
        `trace` is that of a request to a model.
        """
        failure = str(status) if status >= 500 else ""
        self.record(metric.HTTP_DURATION, duration_s, _method(method), route, str(status), SCHEME, failure, trace=trace)
        self.record(metric.HTTP_ACTIVE, -1, _method(method), SCHEME)


def _method(method: str) -> str:
    return method if method in HTTP_METHODS else "_OTHER"
