"""Traces of engines themselves: each load of a model, and one step in some, with links to the requests in it.

Their ids come with the events (`load_traceparent`, `traceparent`), so that metrics name the same traces in
exemplars. Called from the gateway's event loop only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, Tracer

from telemetry import semconv as names
from telemetry.clock import WallClock
from telemetry.events import EngineSample, EngineState, EngineStatus, StepSample
from telemetry.trace_ids import TraceIds
from telemetry.tracing import context as contexts

ENDED = (EngineState.READY, EngineState.RESTARTING, EngineState.FAILED, EngineState.STOPPED)


class EngineSpans:
    """Builds them; `use` gives the next span its ids."""

    def __init__(
        self,
        tracer: Tracer,
        use: Callable[[TraceIds], None],
        clock: Callable[[], int] = time.time_ns,
        wall: WallClock | None = None,
    ) -> None:
        self._tracer = tracer
        self._use = use
        self._clock = clock
        self._wall = wall or WallClock()
        self._began: dict[str, int] = {}
        self._loads: dict[str, SpanContext] = {}

    def load_of(self, model: str) -> SpanContext | None:
        """The load under way, or the last one, of a model or of
        the one that an adapter (`model:adapter`) is loaded with.
        """
        return self._loads.get(model) or self._loads.get(model.partition(":")[0])

    def status(self, status: EngineStatus) -> None:
        """A load begins with the first word of it and ends with
        the next state; one that gave no engine is an error.
        """
        load = TraceIds.of(status.load_traceparent)
        if load is None:
            return
        now_ns = self._clock()
        if status.state is EngineState.STARTING:
            self._began.setdefault(status.model, now_ns)
            self._loads[status.model] = contexts.span_context(load)
        elif status.state in ENDED and (began_ns := self._began.pop(status.model, None)) is not None:
            self._load(status, load, began_ns, now_ns)

    def _load(self, status: EngineStatus, load: TraceIds, began_ns: int, now_ns: int) -> None:
        ready = status.state is EngineState.READY
        if ready and status.load_ms is not None:
            began_ns = now_ns - round(status.load_ms * 1e6)
        self._use(load)
        attributes = {names.MODEL: status.model}
        span = self._tracer.start_span(
            names.SPAN_ENGINE_LOAD, Context(), SpanKind.INTERNAL, attributes, start_time=began_ns
        )
        if not ready:
            span.set_status(Status(StatusCode.ERROR, status.reason))
        span.end(now_ns)

    def sample(self, sample: EngineSample, contexts_of: Callable[[Iterable[str]], list[SpanContext]]) -> None:
        """The steps of a heartbeat that have a trace;
        `contexts_of` gives the server spans of requests by `seq`.
        """
        for step in sample.steps:
            ids = TraceIds.of(step.traceparent)
            if ids is not None:
                self._step(sample.model, step, ids, [Link(context) for context in contexts_of(step.requests)])

    def _step(self, model: str, step: StepSample, ids: TraceIds, links: list[Link]) -> None:
        self._use(ids)
        anchor = self._wall.look()
        span = self._tracer.start_span(
            names.SPAN_ENGINE_STEP,
            Context(),
            SpanKind.INTERNAL,
            {
                names.MODEL: model,
                names.STEP_SEQUENCES: step.sequences,
                names.STEP_PREFILL_TOKENS: step.prefill_tokens,
                names.STEP_DECODE_TOKENS: step.decode_tokens,
            },
            links,
            start_time=anchor.wall(step.start_ns),
        )
        span.end(anchor.wall(step.start_ns + step.duration_ns))
