"""The recorder: opens one record per request, closes it once, and hands it to every sink under a guard.

A sink that raises never fails a request: the error is counted and logged once per sink and kind, and raised
only where tests ask for it (`strict`). Called from the gateway's event loop only.
"""

from __future__ import annotations

import itertools
import logging
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Protocol

from telemetry.client_kinds import kind_of
from telemetry.clock import WallClock
from telemetry.content import Content, Messages
from telemetry.context_buckets import ContextBuckets
from telemetry.events import EngineConfig, EngineSample, EngineStatus, Phase, PhaseTiming, Scalar, Status
from telemetry.logs.events import event as log_event
from telemetry.record import RequestRecord
from telemetry.speed_change import SpeedChange
from telemetry.trace_ids import TraceIds, trace_ids
from telemetry.tracing.baggage import allowed_members

log = logging.getLogger(__name__)

_HOST = re.compile(r"(?P<address>\[[0-9A-Fa-f:.]{2,45}\]|[\w.-]{1,253})(?::(?P<port>\d{1,5}))?")


class Sink(Protocol):
    """Where records go. Every method returns at once: slow work belongs on the sink's own thread."""

    def admitted(self, record: RequestRecord) -> None:
        """A request was admitted (its body is read; model and parameters are known) or refused."""

    def changed(self, record: RequestRecord) -> None:
        """A running request moved: a phase began or tokens arrived."""

    def completed(self, record: RequestRecord) -> None:
        """A request ended; the record will not change any more."""

    def engine_status(self, status: EngineStatus) -> None:
        """An engine process changed its state."""

    def engine_sample(self, sample: EngineSample) -> None:
        """A heartbeat of an engine arrived."""

    def engine_config(self, config: EngineConfig) -> None:
        """An engine is ready with this configuration."""

    def rejected(self, reason: str) -> None:
        """A request was turned away at the door (queue full, not authorised, not found)."""

    def speed_changed(self, change: SpeedChange) -> None:
        """An engine is faster or slower than the one before it."""


class NullSink:
    """Does nothing; the base of sinks that care about some events only."""

    def admitted(self, record: RequestRecord) -> None: ...
    def changed(self, record: RequestRecord) -> None: ...
    def completed(self, record: RequestRecord) -> None: ...
    def engine_status(self, status: EngineStatus) -> None: ...
    def engine_sample(self, sample: EngineSample) -> None: ...
    def engine_config(self, config: EngineConfig) -> None: ...
    def rejected(self, reason: str) -> None: ...
    def speed_changed(self, change: SpeedChange) -> None: ...


@dataclass(frozen=True, slots=True)
class Ended:
    """How a request ended: its status, `error.type`, a message for people, and the HTTP status that was
    sent.
    """

    status: Status
    http_status: int
    error_type: str | None = None
    error_message: str | None = None


class Recorder:
    """Creates and completes request records; fans every event out to the sinks.

    `seq` is wall-clock microseconds << 10 plus a counter: unique in one process, ordered by time, and below
    2^63 until the year 2255, so one integer column serves as primary key and as paging cursor. It grows also
    where the wall clock was set back.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        buckets: ContextBuckets,
        wall: WallClock | None = None,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        strict: bool = False,
        keep_content: bool = False,
        allowed_baggage: Collection[str] = (),
        slow_gap_ms: float | None = None,
    ) -> None:
        self._slow_gap_ms = slow_gap_ms
        self._wall = wall or WallClock()
        self._last_seq = -1
        self.clock_ns = clock_ns
        self.sink_errors: Counter[str] = Counter()
        self._listeners = {method: _listeners(sinks, method) for method in _EVENTS}
        self._buckets = buckets
        self._strict = strict
        self._keep_content = keep_content
        self._allowed_baggage = frozenset(allowed_baggage)
        self._counter = itertools.count()

    def silent(self) -> Recorder:
        """A recorder that fills records in and tells nobody."""
        twin = copy(self)
        twin._listeners = dict.fromkeys(_EVENTS, ())  # noqa: SLF001 - its own
        return twin

    def open(
        self,
        *,
        request_id: str | None,
        route: str,
        api: str,
        operation: str,
        started_ns: int,
        traceparent: str = "",
        tracestate: str = "",
        baggage: str = "",
        method: str = "POST",
        path: str = "",
        host: str = "",
        user_agent: str = "",
    ) -> RequestRecord:
        """Begin a record; nothing is handed to the sinks before `admit`."""
        anchor = self._wall.look()
        self._last_seq = max(
            (anchor.wall(started_ns) // 1000) << 10 | next(self._counter) & 1023, self._last_seq + 1
        )
        address, port = host_and_port(host)
        return RequestRecord(
            seq=self._last_seq,
            request_id=request_id or f"req_{secrets.token_hex(12)}",
            trace=trace_ids(traceparent, tracestate),
            anchor=anchor,
            started_ns=started_ns,
            method=method,
            route=route,
            api=api,
            operation=operation,
            baggage=allowed_members(baggage, self._allowed_baggage),
            path=path,
            server_address=address,
            server_port=port,
            client=kind_of(user_agent),
            slow_gap_ms=self._slow_gap_ms,
        )

    def admit(self, record: RequestRecord) -> None:
        """Announce a request whose model and parameters are filled in."""
        self._tell("admitted", record)

    def enter(self, record: RequestRecord, phase: Phase) -> None:
        """Say which phase a running request is in."""
        record.current_phase = phase
        self._tell("changed", record)

    def progress(self, record: RequestRecord) -> None:
        """Say that a running request's counts moved."""
        self._tell("changed", record)

    def phase(
        self, record: RequestRecord, phase: Phase, start_ns: int, end_ns: int, **attributes: Scalar
    ) -> None:
        """Add a finished phase to a record."""
        record.phases.append(PhaseTiming(phase, start_ns, end_ns, attributes))

    def tokens(self, record: RequestRecord, prompt_tokens: int) -> None:
        """Set the prompt's size, and with it the context bucket."""
        record.prompt_tokens = prompt_tokens
        record.context_bucket = self._buckets.label(prompt_tokens)

    @staticmethod
    def new_trace() -> TraceIds:
        """Ids of a trace that belongs to no request: an engine's load, or a step of it."""
        return trace_ids("")

    def prompt(self, record: RequestRecord, messages: Messages) -> None:
        """Note the messages that go to the engine, if content is kept."""
        if self._keep_content:
            record.content = Content(messages)

    def text(self, record: RequestRecord, piece: str) -> None:
        """Note a piece of the answer, if content is kept."""
        if record.content is not None:
            record.content.answer.append(piece)

    def close(self, record: RequestRecord, ended: Ended) -> None:
        """Complete a record; a second call is ignored, so that every exit path may call it."""
        if record.ended_ns is not None:
            return
        record.ended_ns = self.clock_ns()
        record.status = ended.status
        record.error_type = ended.error_type
        record.error_message = ended.error_message
        record.http_status = ended.http_status
        self._tell("completed", record)
        record.content = None  # pages may hold a record for longer

    def engine_status(self, status: EngineStatus) -> None:
        """Pass on an engine's change of state; a ready one also announces its configuration."""
        self._tell("engine_status", status)
        if status.config is not None:
            self._tell("engine_config", status.config)

    def engine_sample(self, sample: EngineSample) -> None:
        """Pass on an engine's heartbeat; steps that say whose they were get a trace."""
        steps = tuple(
            replace(step, traceparent=self.new_trace().traceparent) if step.requests else step
            for step in sample.steps
        )
        self._tell("engine_sample", replace(sample, steps=steps))

    def rejected(self, reason: str) -> None:
        """Count a request that was turned away."""
        self._tell("rejected", reason)

    def speed_changed(self, change: SpeedChange) -> None:
        """Pass on what the regression watch found."""
        self._tell("speed_changed", change)

    def _tell(self, method: str, event: object) -> None:
        for sink, take in self._listeners[method]:
            try:
                take(event)
            except Exception as error:
                self._failed(sink, method, error, event)

    def _failed(self, sink: Sink, method: str, error: Exception, about: object) -> None:
        """Count a sink's failure and log the first of its kind; telemetry never fails a request."""
        if self._strict:
            raise error
        key = f"{type(sink).__name__}.{method}.{type(error).__name__}"
        self.sink_errors[key] += 1
        if self.sink_errors[key] == 1:
            record = about if isinstance(about, RequestRecord) else None
            trace, request_id = (record.trace, record.request_id) if record is not None else (None, "")
            told = log_event("telemetry.sink_failed", trace=trace, request_id=request_id)
            log.error(
                "telemetry sink failed; further failures of this kind are only counted: %s",
                key,
                exc_info=error,
                extra=told,
            )


_EVENTS = tuple(name for name in vars(NullSink) if not name.startswith("_"))


def _listeners(sinks: Sequence[Sink], method: str) -> tuple[tuple[Sink, Callable[[Any], None]], ...]:
    """Sinks that do something about an event, with what they do: it may come with every token."""
    nothing = getattr(NullSink, method)
    return tuple(
        (sink, getattr(sink, method)) for sink in sinks if getattr(type(sink), method, None) is not nothing
    )


def host_and_port(host: str) -> tuple[str, int | None]:
    """The two parts of a Host header; a port that it leaves out is that of HTTP."""
    match = _HOST.fullmatch(host)
    port = int(match.group("port") or 80) if match else 0
    return (match.group("address").strip("[]"), port) if match and 0 < port < 1 << 16 else ("", None)
