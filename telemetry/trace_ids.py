"""W3C trace context: the ids of a span of ours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TraceIds:
    """W3C trace context of a request's server span; ids are
    lower-case hex, `parent_span_id` None at a root.
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None = None
    flags: int = 1
    tracestate: str = ""

    @property
    def traceparent(self) -> str:
        """As W3C writes it: a child of this span would be sent it."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"

    @classmethod
    def of(cls, traceparent: str) -> TraceIds | None:
        """The span that a `traceparent` of ours names; None for an empty one."""
        if not traceparent:
            return None
        _, trace_id, span_id, flags = traceparent.split("-")
        return cls(trace_id, span_id, flags=int(flags, 16))
