"""OpenTelemetry span contexts from a record's W3C ids."""

from __future__ import annotations

from opentelemetry.trace import SpanContext, TraceFlags, TraceState

from telemetry.trace_ids import TraceIds


def span_context(trace: TraceIds) -> SpanContext:
    """The context of a request's server span."""
    return SpanContext(
        int(trace.trace_id, 16), int(trace.span_id, 16), is_remote=False, trace_flags=TraceFlags(trace.flags)
    )


def parent_context(trace: TraceIds) -> SpanContext | None:
    """The caller's span, or None where the request began its own trace."""
    if trace.parent_span_id is None:
        return None
    return SpanContext(
        int(trace.trace_id, 16),
        int(trace.parent_span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(trace.flags),
        trace_state=TraceState.from_header([trace.tracestate]) if trace.tracestate else None,
    )
