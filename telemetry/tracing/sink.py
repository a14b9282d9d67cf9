"""The span sink: a completed record becomes its span tree, afterwards and with explicit times.

Nothing of OpenTelemetry runs while a request does. The ids of the server
span are those that the record was given at its start (they went out in logs
and exemplars), so the provider must use `RecordIds` as its id generator.
"""

from __future__ import annotations

from dataclasses import replace

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanKind,
    Status,
    StatusCode,
    set_span_in_context,
)

from telemetry import semconv
from telemetry.clock import WallClock
from telemetry.events import EngineSample, EngineStatus, Phase, PhaseTiming, PrefillChunk
from telemetry.events import Status as RequestStatus
from telemetry.record import RequestRecord
from telemetry.recorder import NullSink
from telemetry.redact import Redactor
from telemetry.trace_ids import TraceIds
from telemetry.tracing import attributes as span_attributes
from telemetry.tracing import content as span_content
from telemetry.tracing import context as contexts
from telemetry.tracing.engine_spans import EngineSpans
from telemetry.tracing.links import SpanLinks

MAX_CHUNK_SPANS = 32
"""Prefill chunks per trace; later ones are merged into the last."""


class RecordIds(RandomIdGenerator):
    """Random ids, but the next span's are those of a record. Used from one thread."""

    def __init__(self) -> None:
        self._trace_id: int | None = None
        self._span_id: int | None = None

    def use(self, trace: TraceIds) -> None:
        """Give the next span these ids."""
        self._trace_id, self._span_id = int(trace.trace_id, 16), int(trace.span_id, 16)

    def generate_trace_id(self) -> int:
        trace_id, self._trace_id = self._trace_id, None
        return super().generate_trace_id() if trace_id is None else trace_id

    def generate_span_id(self) -> int:
        span_id, self._span_id = self._span_id, None
        return super().generate_span_id() if span_id is None else span_id


class SpanSink(NullSink):
    """Builds and ends the spans of each completed request; the provider's batch processor exports them."""

    def __init__(
        self,
        provider: TracerProvider,
        *,
        capture_content: bool = False,
        redactor: Redactor | None = None,
        wall: WallClock | None = None,
    ) -> None:
        if not isinstance(provider.id_generator, RecordIds):
            raise TypeError(
                "the tracer provider must be built with telemetry.tracing.sink.RecordIds as its id generator"
            )
        self._ids = provider.id_generator
        self._tracer = provider.get_tracer(semconv.SCOPE, semconv.installed(), semconv.SCHEMA_URL)
        self._capture_content = capture_content
        self._redactor = redactor or Redactor()
        self._links = SpanLinks()
        self._engines = EngineSpans(self._tracer, self._ids.use, wall=wall)

    def admitted(self, record: RequestRecord) -> None:
        self._links.remember(record)

    def engine_status(self, status: EngineStatus) -> None:
        self._engines.status(status)

    def engine_sample(self, sample: EngineSample) -> None:
        self._engines.sample(sample, self._links.contexts)

    def completed(self, record: RequestRecord) -> None:
        server = self._server(record)
        if server.is_recording():
            self._children(record, server)
            if span_attributes.failed(record):
                _finish(server, record)
        server.end(record.anchor.wall(record.ended_ns or record.started_ns))

    def _server(self, record: RequestRecord) -> Span:
        self._ids.use(record.trace)
        parent = contexts.parent_context(record.trace)
        context = Context() if parent is None else set_span_in_context(NonRecordingSpan(parent), Context())
        return self._tracer.start_span(
            f"{record.method} {record.route}",
            context,
            SpanKind.SERVER,
            span_attributes.server(record),
            start_time=record.anchor.wall(record.started_ns),
        )

    def _children(self, record: RequestRecord, server: Span) -> None:
        timings = sorted(record.phases, key=lambda timing: timing.start_ns)
        inner = [timing for timing in timings if timing.phase is not Phase.ADMIT]
        for timing in timings:
            if timing.phase is Phase.ADMIT:
                self._phase(record, timing, server)
        if not inner:
            return
        chat = self._inference(record, server, inner[0].start_ns)
        for timing in inner:
            self._phase(record, timing, chat)
        _finish(chat, record)
        chat.end(record.anchor.wall(max(timing.end_ns for timing in inner)))

    def _inference(self, record: RequestRecord, server: Span, start_ns: int) -> Span:
        return self._tracer.start_span(
            f"{record.operation} {record.model}" if record.model else record.operation,
            set_span_in_context(server, Context()),
            SpanKind.INTERNAL,
            self._attributes(record),
            start_time=record.anchor.wall(start_ns),
        )

    def _attributes(self, record: RequestRecord) -> span_attributes.Attributes:
        attributes = span_attributes.inference(record, capture_content=self._capture_content)
        return (
            attributes | span_content.content(record, self._redactor) if self._capture_content else attributes
        )

    def _phase(self, record: RequestRecord, timing: PhaseTiming, parent: Span) -> None:
        span = self._tracer.start_span(
            semconv.SPAN_NAMES[timing.phase.value],
            set_span_in_context(parent, Context()),
            attributes=span_attributes.phase(record, timing),
            links=self._linked(record, timing),
            start_time=record.anchor.wall(timing.start_ns),
        )
        if timing.phase is Phase.PREFILL:
            self._chunks(record, span)
        span.end(record.anchor.wall(max(timing.end_ns, timing.start_ns)))

    def _linked(self, record: RequestRecord, timing: PhaseTiming) -> list[Link]:
        """Links to what was waited for: other requests, or a load with its own trace."""
        if timing.phase is not Phase.MODEL_LOAD:
            return self._links.of_phase(record, timing)
        load = self._engines.load_of(record.model or "")
        return [] if load is None else [Link(load)]

    def _chunks(self, record: RequestRecord, parent: Span) -> None:
        context = set_span_in_context(parent, Context())
        for part, merged in _merged(record.chunks):
            span = self._tracer.start_span(
                semconv.SPAN_PREFILL_CHUNK,
                context,
                attributes=span_attributes.chunk(part, merged),
                start_time=record.anchor.wall(part.start_ns),
            )
            span.end(record.anchor.wall(part.end_ns))


def _merged(chunks: list[PrefillChunk]) -> list[tuple[PrefillChunk, int]]:
    """At most `MAX_CHUNK_SPANS` chunks, each with how many engine steps it stands for."""
    if len(chunks) <= MAX_CHUNK_SPANS:
        return [(chunk, 1) for chunk in chunks]
    kept, rest = chunks[: MAX_CHUNK_SPANS - 1], chunks[MAX_CHUNK_SPANS - 1 :]
    last = replace(
        rest[0],
        end_ns=rest[-1].end_ns,
        tokens=sum(chunk.tokens for chunk in rest),
        sequences=max(chunk.sequences for chunk in rest),
    )
    return [*((chunk, 1) for chunk in kept), (last, len(rest))]


def _finish(span: Span, record: RequestRecord) -> None:
    """Mark errors; a client that went away is no error of ours, only its `error.type` is set."""
    if record.status is RequestStatus.ERROR:
        span.set_status(Status(StatusCode.ERROR, record.error_type))
