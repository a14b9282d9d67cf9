"""A span sink whose spans stay in memory."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

from telemetry.tracing.sink import SpanSink


def traced(sampler: Sampler = ALWAYS_ON, *, capture: bool = False) -> tuple[SpanSink, InMemorySpanExporter]:
    from telemetry.tracing.sink import RecordIds

    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler, shutdown_on_exit=False, id_generator=RecordIds())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return SpanSink(provider, capture_content=capture), exporter


def named(spans: Sequence[ReadableSpan], name: str) -> ReadableSpan:
    [span] = [span for span in spans if span.name == name]
    return span
