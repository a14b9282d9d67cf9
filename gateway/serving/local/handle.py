"""The handle of an engine process on this machine: routes its messages to calls, and ends calls when it
dies.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from gateway.chat.formats.choose import choose
from gateway.chat.formats.constraint import is_held
from gateway.chat.formats.format import Format
from gateway.chat.parsing.parser import Parser
from gateway.engine.frames import MAX_FRAME_BYTES, MessageTooLongError
from gateway.engine.options import EngineOptions
from gateway.engine.protocol import (
    Admitted,
    Cancel,
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
)
from gateway.engine.tuning import summary
from gateway.errors import BodyTooLargeError, EngineUnavailableError
from gateway.serving.call import Call
from gateway.serving.handle import Capacity, Description
from gateway.serving.local.messages import description_of, event_of, message_of, progress_of
from gateway.serving.local.process import WORKER_COMMAND, EngineProcess
from gateway.serving.local.supervisor import Limits, Supervisor
from gateway.serving.work import Accepted, Generate, Work
from telemetry.events import EngineState, EngineStatus, Phase
from telemetry.record import RequestRecord
from telemetry.recorder import Recorder

log = logging.getLogger(__name__)

PROVIDER = "llama_cpp"


class EngineHandle:
    """`gateway.serving.handle.Handle` of one model's engine process."""

    provider = PROVIDER

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
        self.description: Description | None = None
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
        self._format: Format | None = None
        self._template = ""
        self._silent = recorder.silent()
        self._supervisor = Supervisor(self)
        self.on_load_changed: Callable[[], None] = lambda: None
        """Called when it gets its first request or has ended its last one."""

    def start(self) -> None:
        """Spawn the engine and keep it alive; returns at once."""
        self._supervisor.start()

    async def stop(self, deadline_s: float) -> None:
        """End the engine and stay ended."""
        await self._supervisor.stop(deadline_s)

    @property
    def loaded(self) -> bool:
        """Whether the present process has said that it is ready."""
        return self.description is not None

    @property
    def in_flight(self) -> int:
        """Requests that the engine has and has not ended."""
        return len(self._calls)

    @property
    def capacity(self) -> Capacity:
        """Sequences that the engine decodes at once, and its requests."""
        return Capacity(self._options.slots, len(self._calls))

    @property
    def awaiting(self) -> int:
        """Requests that have no first token yet."""
        return sum(call.record.first_token_ns is None for call in self._calls.values())

    def next_start_ms(self, now_ns: int) -> float | None:
        """Milliseconds until the first of the waiting requests is expected to have its first token, by the
        engine's own prediction when it took it; None while none waits or none is predicted.
        """
        left = (_left_ms(call.record, now_ns) for call in self._calls.values())
        return min((ms for ms in left if ms is not None), default=None)

    @property
    def adapters(self) -> list[str]:
        """Names of the LoRA adapters that it is loaded with."""
        return sorted(self._options.adapters)

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
        return EngineUnavailableError(
            f"The engine of {self.model!r} {self.status.reason or 'is not ready'}.", retry_after_s=retry
        )

    def submit(self, record: RequestRecord, work: Work, adapter: str = "") -> Call:
        """Send a request to the engine, which must be ready.

        Raises:
            EngineUnavailableError: it is not.
            BodyTooLargeError: the request does not fit through the pipe.
            InvalidRequestError: an engine process does not do this kind of work.
        """
        if self.process is None or self.status.state is not EngineState.READY:
            raise self.unavailable()
        call = self._call(record, work)
        try:
            # first: a request that cannot be encoded must not count as in flight
            self.process.send(message_of(call.id, work, adapter))
        except MessageTooLongError:
            most = f"{MAX_FRAME_BYTES // 2**20} MiB"
            raise BodyTooLargeError(
                f"The request is larger than an engine can take at once ({most}). Send less."
            ) from None
        self._calls[call.id] = call
        record.engine = self.model
        if len(self._calls) == 1:
            self.on_load_changed()
        if isinstance(work, Generate):
            self._recorder.prompt(record, work.messages)
        return call

    def _call(self, record: RequestRecord, work: Work) -> Call:
        """Of answers besides the first one, no sink is told."""
        if not isinstance(work, Generate):
            return Call(record, self._recorder, self._cancel)
        recorder = self._silent if work.choice else self._recorder
        ahead = self.awaiting if work.progress and not work.choice else None
        reader = partial(self._reader, work)
        return Call(record, recorder, self._cancel, choice=work.choice, ahead=ahead, reader=reader)

    def _reader(self, work: Generate, accepted: Accepted) -> Parser | None:
        """What finds reasoning and tool calls in an answer; None where there can be none."""
        if self._format is None or not (work.tools or self._format.reasoning or self._format.channels):
            return None
        tools = () if work.tool_choice == "none" else work.tools
        eager = bool(tools) and is_held(self._format, work.tool_choice, self._template)
        return Parser(self._format, tools=tools, prompt=accepted.prompt_end, ids=_call_id, eager=eager)

    def share(self, part: int, parts: int) -> None:
        """Tell the engine which part of the cores is its own (`gateway.serving.local.core_shares`)."""
        self._share = (part, parts)
        if self.process is not None and self.status.state is EngineState.READY:
            self.process.send(Share(part, parts))

    def _cancel(self, request_id: str) -> None:
        if self.process is not None:
            self.process.send(Cancel(request_id))

    async def start_process(self) -> EngineProcess:
        """Spawn the engine; `follow` then reads it."""
        self.description = None
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
            call.fail(
                EngineUnavailableError(
                    f"The engine of {self.model!r} {reason} while it worked on this request."
                )
            )
        self.on_load_changed()

    def _hear(self, reply: Reply) -> None:
        """One message of the engine."""
        self.last_heard_s = time.monotonic()
        if isinstance(reply, Step):
            for delta in reply.deltas:
                if (call := self._calls.get(delta.id)) is not None:
                    call.take(progress_of(delta, reply.end_ns))
        elif isinstance(reply, Admitted | Started):
            if (call := self._calls.get(reply.id)) is not None:
                call.take(event_of(reply))
        elif isinstance(reply, Finished | Refused | Embedded):
            # forgotten before it is told, so that its slot counts as free
            if (call := self._calls.pop(reply.id, None)) is not None:
                call.take(event_of(reply))
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
            self._hear_ready(reply)

    def _hear_ready(self, ready: Ready) -> None:
        self._template = ready.chat_template or ""
        self._format = choose(self._template, self.model) if self._template else None
        self.description = description_of(ready)
        self.announce(
            EngineState.READY,
            load_ms=ready.load_ms,
            load_progress=None,
            config=ready.config,
            pid=None if self.process is None else self.process.pid,
            tuning=summary(ready.tuning) if ready.tuning else "",
            threads_limit=ready.threads_limit,
        )
        if self._share != (0, 1):
            self.share(*self._share)


def _call_id(_index: int) -> str:
    """As OpenAI's look."""
    return f"call_{secrets.token_hex(12)}"


def _left_ms(record: RequestRecord, now_ns: int) -> float | None:
    """Until the first token of a request that waits for it, by its prediction."""
    lookup = record.phase(Phase.CACHE_LOOKUP)
    if record.first_token_ns is not None or record.predicted_ttft_ms is None or lookup is None:
        return None
    return record.predicted_ttft_ms - (now_ns - lookup.end_ns) / 1e6
