"""W3C trace context: the ids of a span of ours."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


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


def trace_ids(traceparent: str, tracestate: str = "") -> TraceIds:
    """Continue a W3C `traceparent` (https://www.w3.org/TR/trace-context/), or start a new trace if it is
    not valid.
    """
    match = _TRACEPARENT.fullmatch(traceparent.strip())
    span_id = secrets.token_hex(8)
    if match is None or not _valid(match):
        return TraceIds(secrets.token_hex(16), span_id)
    _, trace_id, parent, flags, _ = match.groups()
    return TraceIds(trace_id, span_id, parent, int(flags, 16) & 1, tracestate[:512])


def _valid(match: re.Match[str]) -> bool:
    """All-zero ids and version ff are invalid; version 00 has no further fields."""
    version, trace_id, parent, _, rest = match.groups()
    return (
        version != "ff" and int(trace_id, 16) > 0 and int(parent, 16) > 0 and not (version == "00" and rest)
    )
