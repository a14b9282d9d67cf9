"""The gateway's handle on one engine: keeps it running, routes its messages to calls, and ends calls when it dies."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.engine.frames import MAX_FRAME_BYTES, MessageTooLongError
from gateway.engine.options import EngineOptions
from gateway.engine.protocol import (
    Admitted,
    Cancel,
    Embed,
    Embedded,
    Finished,
    Heartbeat,
    LoadFailed,
    Loading,
    Ready,
    Refused,
    Reply,
    Share,
    Started,
    Step,
    Submit,
)
from gateway.engine.tuning import summary
from gateway.errors import BodyTooLargeError, EngineUnavailableError
from gateway.serving.call import Call
from gateway.serving.engine_process import WORKER_COMMAND, EngineProcess
from telemetry.events import EngineState, EngineStatus, Phase
from telemetry.record import RequestRecord
from telemetry.recorder import Recorder

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much patience the supervisor has; seconds. See the `engine` settings."""

    heartbeat_timeout_s: float = 10.0
    step_timeout_s: float = 120.0
    load_timeout_s: float = 600.0
    max_restarts: int = 5
    first_backoff_s: float = 0.5
    longest_backoff_s: float = 30.0
    settled_s: float = 60.0


class EngineHandle:
    """One model's engine as the rest of the gateway sees it; `gateway.serving.supervisor` runs it."""

    def __init__(
        self,
        options: EngineOptions,
        recorder: Recorder,
        log_file: Path,
        limits: Limits | None = None,
        command: Sequence[str] = WORKER_COMMAND,
    ) -> None:
        self.model = options.model
        self.status = EngineStatus(options.model, EngineState.STARTING, "is starting")
        self.ready: Ready | None = None
        self.limits = limits or Limits()
        self.process: EngineProcess | None = None
        self.last_heard_s = 0.0
        self.step_age_s = 0.0
        self._options = options
        self._recorder = recorder
        self._log_file = log_file
        self._command = command
        self._load_failure = ""
        self._calls: dict[str, Call] = {}
        self._changed = asyncio.Event()
        self._share = (0, 1)
        self.on_load_changed: Callable[[], None] = lambda: None
        """Called when it gets its first request or has ended its last one."""

    @property
    def in_flight(self) -> int:
        """Requests that the engine has and has not ended."""
        return len(self._calls)

    def next_start_ms(self, now_ns: int) -> float | None:
        """Milliseconds until the first of the waiting requests is expected to have its first token, by the engine's own
        prediction when it took it; None while none waits or none is predicted.
        """
        left = [
            record.predicted_ttft_ms - (now_ns - lookup.end_ns) / 1e6
            for record in (call.record for call in self._calls.values())
            if record.first_token_ns is None and record.predicted_ttft_ms is not None and (lookup := record.phase(Phase.CACHE_LOOKUP))
        ]
        return min(left, default=None)

    @property
    def awaiting(self) -> int:
        """Requests that have no first token yet."""
        return sum(call.record.first_token_ns is None for call in self._calls.values())

    @property
    def adapters(self) -> list[str]:
        """Names of the LoRA adapters that it is loaded with."""
        return sorted(self._options.adapters)

    @property
    def slots(self) -> int:
        """Sequences that the engine decodes at once."""
        return self._options.slots

    def announce(self, state: EngineState, reason: str = "", **changes: object) -> None:
        """Change the engine's state and tell everybody."""
        self.status = replace(self.status, state=state, reason=reason, **changes)  # type: ignore[arg-type]
        self._recorder.engine_status(self.status)
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_ready(self, timeout_s: float) -> None:
        """Until the engine is ready.

        Raises:
            EngineUnavailableError: it was given up, or is not ready in time.
        """
        deadline = time.monotonic() + timeout_s
        while self.status.state is not EngineState.READY:
            if self.status.state in (EngineState.FAILED, EngineState.STOPPED):
                raise self.unavailable()
            try:
                await asyncio.wait_for(self._changed.wait(), deadline - time.monotonic())
            except TimeoutError:
                raise self.unavailable() from None

    def unavailable(self) -> EngineUnavailableError:
        """The error for a request that this engine cannot take now."""
        retry = None if self.status.state is EngineState.FAILED else 5
        return EngineUnavailableError(f"The engine of {self.model!r} {self.status.reason or 'is not ready'}.", retry_after_s=retry)

    def submit(self, record: RequestRecord, request: Submit | Embed) -> Call:
        """Send a request to the engine, which must be ready.

        Raises:
            EngineUnavailableError: it is not.
            BodyTooLargeError: the request does not fit through the pipe.
        """
        if self.process is None or self.status.state is not EngineState.READY:
            raise self.unavailable()
        call = Call(record, self._recorder, self._cancel)
        try:
            self.process.send(request)  # first: a request that cannot be encoded must not count as in flight
        except MessageTooLongError:
            most = f"{MAX_FRAME_BYTES // 2**20} MiB"
            raise BodyTooLargeError(f"The request is larger than an engine can take at once ({most}). Send less.") from None
        self._calls[call.id] = call
        record.engine = self.model
        if len(self._calls) == 1:
            self.on_load_changed()
        if isinstance(request, Submit):
            self._recorder.prompt(record, request.messages)
        return call

    def share(self, part: int, parts: int) -> None:
        """Tell the engine which part of the cores is its own (`gateway.serving.core_shares`)."""
        self._share = (part, parts)
        if self.process is not None and self.status.state is EngineState.READY:
            self.process.send(Share(part, parts))

    def _cancel(self, request_id: str) -> None:
        if self.process is not None:
            self.process.send(Cancel(request_id))

    async def start_process(self) -> EngineProcess:
        """Spawn the engine; `follow` then reads it."""
        self.ready = None
        self.last_heard_s, self.step_age_s = time.monotonic(), 0.0
        self._load_failure = ""
        self.status = replace(self.status, load_traceparent=self._recorder.new_trace().traceparent)
        self.process = await EngineProcess.start(self._options, self._log_file, self._hear, self._command)
        return self.process

    async def follow(self, process: EngineProcess) -> str:
        """Until the engine ends; returns why it could not load, for people, where it said so."""
        await process.closed()
        return self._load_failure

    def drop_calls(self, reason: str) -> None:
        """End everything in flight: the engine is gone."""
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.fail(EngineUnavailableError(f"The engine of {self.model!r} {reason} while it worked on this request."))
        self.on_load_changed()

    def _hear(self, reply: Reply) -> None:
        """One message of the engine."""
        self.last_heard_s = time.monotonic()
        if isinstance(reply, Step):
            for delta in reply.deltas:
                if (call := self._calls.get(delta.id)) is not None:
                    call.step(delta, reply.end_ns)
        elif isinstance(reply, Admitted | Started):
            if (call := self._calls.get(reply.id)) is not None:
                call.take(reply)
        elif isinstance(reply, Finished | Refused | Embedded):  # forgotten before it is told, so that its slot counts as free
            if (call := self._calls.pop(reply.id, None)) is not None:
                call.take(reply)
            if not self._calls:
                self.on_load_changed()
        else:
            self._hear_of_engine(reply)

    def _hear_of_engine(self, reply: Heartbeat | Loading | LoadFailed | Ready) -> None:
        if isinstance(reply, Heartbeat):
            self.step_age_s = reply.step_age_s
            self._recorder.engine_sample(reply.sample)
        elif isinstance(reply, Loading):
            self.announce(EngineState.STARTING, f"is {reply.what}", load_progress=reply.progress)
        elif isinstance(reply, LoadFailed):
            self._load_failure = reply.message
        else:
            self.ready = reply
            tuning = summary(reply.tuning) if reply.tuning else ""
            self.announce(
                EngineState.READY,
                load_ms=reply.load_ms,
                load_progress=None,
                config=reply.config,
                pid=self._pid,
                tuning=tuning,
                threads_limit=reply.threads_limit,
            )
            if self._share != (0, 1):
                self.share(*self._share)

    @property
    def _pid(self) -> int | None:
        return None if self.process is None else self.process.pid
