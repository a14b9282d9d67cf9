"""Traces of loads and of steps."""

from __future__ import annotations

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from telemetry.events import EngineSample, EngineState, EngineStatus, StepSample
from telemetry.trace_ids import TraceIds
from telemetry.tracing.engine_spans import EngineSpans
from telemetry.tracing.sink import RecordIds
from tests.telemetry.records import EPOCH_NS, MODEL

LOAD = TraceIds("1" * 32, "2" * 16)
SECOND_NS = 10**9


class WallClock:
    """Moves a second with each reading."""

    def __init__(self) -> None:
        self.now_ns = EPOCH_NS

    def __call__(self) -> int:
        self.now_ns += SECOND_NS
        return self.now_ns


def traced() -> tuple[EngineSpans, InMemorySpanExporter]:
    ids, exporter = RecordIds(), InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False, id_generator=ids)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return EngineSpans(provider.get_tracer("test"), ids.use, WallClock()), exporter


def status(state: EngineState, reason: str = "", load_ms: float | None = None) -> EngineStatus:
    return EngineStatus(MODEL, state, reason, load_ms=load_ms, load_traceparent=LOAD.traceparent)


def test_a_load_is_one_span_with_the_ids_that_were_told() -> None:
    """However often its progress is told; it is as long as the engine says."""
    spans, exporter = traced()
    for told in (
        status(EngineState.STARTING),
        status(EngineState.STARTING),
        status(EngineState.READY, load_ms=1500.0),
    ):
        spans.status(told)
    [span] = exporter.get_finished_spans()
    assert span.context is not None
    assert (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", span.parent) == (
        LOAD.trace_id,
        LOAD.span_id,
        None,
    )
    assert (span.end_time or 0) - (span.start_time or 0) == 1.5 * SECOND_NS
    assert span.status.status_code is StatusCode.UNSET


def test_a_load_that_gives_no_engine_is_an_error_with_its_reason() -> None:
    """It lasts from the first word of it to its end."""
    spans, exporter = traced()
    spans.status(status(EngineState.STARTING))
    spans.status(status(EngineState.FAILED, "cannot be started: no memory"))
    [span] = exporter.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (
        StatusCode.ERROR,
        "cannot be started: no memory",
    )
    assert (span.end_time or 0) - (span.start_time or 0) == SECOND_NS


def test_engines_are_no_calls_of_a_model() -> None:
    """Readers of traces take whatever has an attribute of the GenAI conventions for a call of a language
    model.
    """
    spans, exporter = traced()
    for state in (EngineState.STARTING, EngineState.READY):
        spans.status(status(state))
    step = StepSample(
        10_000_000, 1, 0, 1, start_ns=1, requests=("1",), traceparent=TraceIds("3" * 32, "4" * 16).traceparent
    )
    spans.sample(EngineSample(MODEL, 0, 0, 1, 0, 0.0, 1, 2, None, (step,)), lambda _seqs: [])
    load, engine_step = exporter.get_finished_spans()
    for span in (load, engine_step):
        attributes = span.attributes or {}
        assert attributes["firsttoken.model"] == MODEL
        assert [name for name in attributes if name.startswith("gen_ai.")] == []


def test_an_engine_that_dies_later_is_no_load() -> None:
    """Only the load is a span; adapters find it under their model."""
    spans, exporter = traced()
    for state in (EngineState.STARTING, EngineState.READY, EngineState.RESTARTING, EngineState.STOPPED):
        spans.status(status(state))
    assert len(exporter.get_finished_spans()) == 1
    assert spans.load_of(f"{MODEL}:poet") == spans.load_of(MODEL) is not None
    assert spans.load_of("other") is None
