"""Events of log lines: what a line is about, for those who search
for it: the name of the event, and the ids that belong to it.

It travels in the line's record (`extra=event(…)`); the JSON lines
on stderr say it in words, the lines over OTLP as attributes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from telemetry.events import Scalar
from telemetry.semconv import REQUEST_ID
from telemetry.trace_ids import TraceIds

KEY = "firsttoken_event"
"""Under which a `logging.LogRecord` has it."""

PREFIX = "firsttoken."


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A name, where the trace that it happened in is known its ids, and attributes."""

    name: str
    trace: TraceIds | None = None
    attributes: dict[str, Scalar] = field(default_factory=dict)


def event(
    name: str, *, trace: TraceIds | None = None, request_id: str = "", **attributes: Scalar
) -> dict[str, Any]:
    """The `extra` of a line about `firsttoken.{name}`, of a request
    where there is one; names of attributes get the prefix too.
    """
    named = {f"{PREFIX}{key}": value for key, value in attributes.items()}
    if request_id:
        named[REQUEST_ID] = request_id
    return {KEY: LogEvent(f"{PREFIX}{name}", trace, named)}
