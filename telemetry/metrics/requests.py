"""Requests in numbers: what each record counts as. TTFT, rates
and gaps are recorded only where they were measured.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from telemetry import ignored_fields
from telemetry.drafts import drafted_by
from telemetry.events import Phase
from telemetry.metrics import instruments as metric
from telemetry.metrics.genai import GenAiMetrics
from telemetry.metrics.outlets import Outlets
from telemetry.outcomes import BROKEN_BY_CLIENT, FINISH_REASONS, REJECTIONS, Outcome, outcome
from telemetry.record import RequestRecord
from telemetry.semconv import UNKNOWN_MODEL
from telemetry.slo import Objective


class RequestMetrics:
    """Counts requests; `served` gives the names of the models
    that we serve now. Goodput needs `objectives` about times.
    """

    def __init__(
        self, out: Outlets, served: Callable[[], Collection[str]], objectives: Sequence[Objective]
    ) -> None:
        self._out = out
        self._served = served
        self._genai = GenAiMetrics(out)
        limits_ms = {objective.name: objective.threshold_ms for objective in objectives}
        self._ttft_ms, self._gap_ms = limits_ms.get("ttft"), limits_ms.get("inter_token")

    def from_zero(self, models: Iterable[str]) -> None:
        """A series that begins with its first event has no increase to see, and nothing to alert on."""
        for model in models:
            self._out.record(metric.REQUESTS_ARRIVED, 0, model)
            for how in Outcome:
                self._out.record(metric.REQUESTS, 0, model, how.value)
            for reason in FINISH_REASONS:
                self._out.record(metric.REQUESTS_FINISHED, 0, model, reason)
            if self._has_goodput:
                self._out.record(metric.REQUESTS_GOOD, 0, model)

    def rejections_from_zero(self) -> None:
        """The same of refusals, which are nobody's."""
        for reason in REJECTIONS:
            self._out.record(metric.REJECTED, 0, reason)

    def arrived(self, record: RequestRecord) -> None:
        """A request came; it may be refused yet."""
        self._out.record(metric.REQUESTS_ARRIVED, 1, self._model(record))

    def completed(self, record: RequestRecord) -> None:
        """A request ended."""
        labels = self._labels(record)
        model = labels[0]
        self._genai.completed(record, labels)
        self._ending(record, model)
        self._rates(record, (*labels, record.context_bucket or ""))
        self._cache(record, model)
        self._drafts(record, model)
        self._prediction(record, model)
        self._phases(record, model)
        for delay in record.delayed_by:
            self._out.record(metric.DELAY_TIME, delay.total_ns / 1e9, model, delay.cause.value)
        for field in record.ignored_fields:
            self._out.record(metric.IGNORED_FIELDS, 1, record.api, ignored_fields.label(field))

    def known(self, model: str) -> str:
        """The name if we serve it: a client must not be able to make series."""
        return model if model in self._served() else UNKNOWN_MODEL

    @property
    def _has_goodput(self) -> bool:
        return self._ttft_ms is not None and self._gap_ms is not None

    def _model(self, record: RequestRecord) -> str:
        return self.known(record.model) if record.model else UNKNOWN_MODEL

    def _labels(self, record: RequestRecord) -> tuple[str, str, str, str]:
        """`instruments_genai.REQUEST_LABELS` of a record."""
        response = self.known(record.response_model) if record.response_model else ""
        return self._model(record), response, record.operation, record.error_type or ""

    def _ending(self, record: RequestRecord, model: str) -> None:
        self._out.record(metric.REQUESTS, 1, model, outcome(record).value)
        if record.finish_reason:
            self._out.record(metric.REQUESTS_FINISHED, 1, model, record.finish_reason)
        if self._has_goodput and self._good(record):
            self._out.record(metric.REQUESTS_GOOD, 1, model, trace=record.trace)

    def _good(self, record: RequestRecord) -> bool:
        """Both objectives were met; an answer of one token has none after it that could be late."""
        assert self._ttft_ms is not None
        assert self._gap_ms is not None
        in_time = record.ttft_ms is not None and record.ttft_ms <= self._ttft_ms
        return (
            in_time
            and outcome(record) is Outcome.OK
            and (not record.decode_tps or 1e3 / record.decode_tps <= self._gap_ms)
        )

    def _rates(self, record: RequestRecord, labels: tuple[str, ...]) -> None:
        if record.gaps_us:
            self._out.record_many(
                metric.INTER_TOKEN, [gap / 1e6 for gap in record.gaps_us], labels[0], trace=record.trace
            )
        if record.context_bucket is None:
            return
        if record.ttft_ms is not None:
            self._out.record(metric.TTFT_BY_CONTEXT, record.ttft_ms / 1e3, *labels, trace=record.trace)
        if record.decode_tps is not None:
            self._out.record(metric.OUTPUT_RATE, record.decode_tps, *labels, trace=record.trace)
        if record.prefill_tps is not None:
            self._out.record(metric.PROMPT_RATE, record.prefill_tps, *labels, trace=record.trace)

    def _cache(self, record: RequestRecord, model: str) -> None:
        """Hits and queries, of prompts that were computed to
        their end, as in the store (`queries.cached`).
        """
        found = record.cache
        if found is None or not record.prompt_tokens or record.computed_tokens is None:
            return
        self._out.record(metric.CACHE_QUERIES, record.prompt_tokens, model, found.reason.value)
        self._out.record(
            metric.CACHE_HITS, found.matched_tokens, model, found.source.value, found.reason.value
        )
        self._out.record(metric.ENGINE_TOKENS, found.matched_tokens, model, "cached")
        if found.reason in BROKEN_BY_CLIENT:
            lost = record.prompt_tokens - found.matched_tokens
            self._out.record(metric.CACHE_LOST, lost, model, record.client, found.reason.value)

    def _drafts(self, record: RequestRecord, model: str) -> None:
        decode = record.phase(Phase.DECODE)
        if decode is not None and "draft" in decode.attributes:
            self._out.record(metric.ENGINE_TOKENS, float(decode.attributes["draft"]), model, "draft")
            self._out.record(metric.ENGINE_TOKENS, float(decode.attributes["accepted"]), model, "accepted")
            for source, tokens in drafted_by(decode.attributes).items():
                self._out.record(metric.DRAFT_TOKENS, tokens.accepted, model, source, "accepted")
                self._out.record(
                    metric.DRAFT_TOKENS, tokens.drafted - tokens.accepted, model, source, "rejected"
                )

    def _prediction(self, record: RequestRecord, model: str) -> None:
        """Predicted at the end of the lookup, measured from there to the first token."""
        lookup = record.phase(Phase.CACHE_LOOKUP)
        if lookup is None or record.predicted_ttft_ms is None or record.first_token_ns is None:
            return
        off_s = record.predicted_ttft_ms / 1e3 - (record.first_token_ns - lookup.end_ns) / 1e9
        self._out.record(
            metric.TTFT_PREDICTION_ERROR,
            abs(off_s),
            model,
            "over" if off_s > 0 else "under",
            trace=record.trace,
        )

    def _phases(self, record: RequestRecord, model: str) -> None:
        for timing in record.phases:
            seconds = max(0, timing.end_ns - timing.start_ns) / 1e9
            self._out.record(metric.PHASE_DURATION, seconds, model, timing.phase.value, trace=record.trace)
        if record.overhead_ms is not None:
            self._out.record(metric.OVERHEAD, record.overhead_ms / 1e3, model, trace=record.trace)
        if record.first_chunk_ns is not None:
            self._out.record(metric.CLIENT_BLOCKED, record.client_blocked_ns / 1e9, model, trace=record.trace)
