"""One request at a handle, seen from the gateway: its record is filled from the events here, whoever
answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from gateway.chat.parsing.events import CallBegin, Content, Event, Markup, Message, Reasoning, message_of
from gateway.errors import ApiError
from gateway.sampling import ChosenLogprob
from gateway.serving.phases import PhaseStamps
from gateway.serving.unread import UnreadLogprobs, logprobs_of
from gateway.serving.work import (
    Accepted,
    Answer,
    Declined,
    Delta,
    Done,
    Prefilled,
    Prefilling,
    Progress,
    Queued,
    Scored,
    Vectors,
)
from gateway.serving.work import Event as EngineEvent
from telemetry.events import Phase
from telemetry.record import RequestRecord
from telemetry.recorder import Recorder


class Reader(Protocol):
    """What finds reasoning and tool calls in a model's text (`gateway.chat.parsing.parser`)."""

    def feed(self, piece: str) -> list[Event]:
        """What a piece of the text decides."""

    def finish(self) -> list[Event]:
        """What the end of the text decides."""


class Call:
    """A submitted request; `reader` is for answers that are more than text, `ahead` (the requests that wait
    before it) for those whose waiting is told.
    """

    def __init__(
        self,
        record: RequestRecord,
        recorder: Recorder,
        cancel: Callable[[str], None],
        *,
        choice: int = 0,
        ahead: int | None = None,
        reader: Callable[[Accepted], Reader | None] = lambda _accepted: None,
    ) -> None:
        self.id = f"{record.seq}.{choice}" if choice else str(record.seq)
        self.record = record
        self.error: ApiError | None = None
        self._recorder = recorder
        self._phases = PhaseStamps(record, recorder)
        self._cancel = cancel
        self._accepted = asyncio.Event()
        self._over = asyncio.Event()
        self._ahead = ahead
        self._began_ns = 0
        self._make_reader = reader
        self._reader: Reader | None = None
        self._unread = UnreadLogprobs()
        self._deltas: list[Delta] = []
        self._write: Callable[[Delta], None] = self._deltas.append
        self._called = False
        self._vectors: Vectors | None = None

    async def accepted(self) -> None:
        """Until the engine has taken the prompt.

        Raises:
            ApiError: the engine refused it or is gone.
        """
        await self._accepted.wait()
        if self.error is not None:
            raise self.error

    async def answer(self) -> Answer:
        """The whole answer, when it is there.

        Raises:
            ApiError: the request failed.
        """
        await self._ended()
        return Answer(_whole(self._deltas), self.record.finish_reason, logprobs_of(self._deltas))

    async def follow(self, write: Callable[[Delta], None]) -> None:
        """Have each piece of the answer written the moment it is there, until the end.
        `write` may not raise.

        Raises:
            ApiError: the request failed; what came before stands.
        """
        for delta in self._deltas:
            write(delta)
        self._deltas.clear()
        self._write = write
        await self._ended()

    async def vectors(self) -> Vectors:
        """The vectors, when all are there.

        Raises:
            ApiError: the request failed.
        """
        await self._ended()
        assert self._vectors is not None, (
            "only a cancelled request ends without vectors, and nobody waits for one"
        )
        return self._vectors

    def cancel(self) -> None:
        """Ask the engine to stop; harmless when it has."""
        if not self._over.is_set():
            self._cancel(self.id)

    async def over(self, timeout_s: float) -> None:
        """Until the engine has reported the end; when the time is up, phases end with what we know."""
        try:
            await asyncio.wait_for(self._over.wait(), timeout_s)
        except TimeoutError:
            self._phases.end()

    def fail(self, error: ApiError) -> None:
        """End with an error, e.g. because the engine died."""
        if not self._over.is_set():
            self.error = error
            self._phases.end()
            self._end()

    def take(self, event: EngineEvent) -> None:
        """Take in what the engine told."""
        if isinstance(event, Progress):
            self._take_progress(event)
        elif isinstance(event, Accepted):
            self._take_accepted(event)
        elif isinstance(event, Prefilling):
            self._phases.add(event.phases, event.cache)
            self.record.prefilled_tokens = self.record.cached_tokens
            self._recorder.enter(self.record, Phase.PREFILL)
            self._began_ns = self._recorder.clock_ns()
            self._tell_prefilled(self._began_ns)
        else:
            self._take_end(event)
            self._recorder.enter(self.record, Phase.STREAM)
            self._end()

    async def _ended(self) -> None:
        await self._over.wait()
        if self.error is not None:
            raise self.error

    def _take_progress(self, event: Progress) -> None:
        record = self.record
        record.prefilled_tokens = event.prefilled_tokens
        if event.completion_tokens:
            record.completion_tokens = event.completion_tokens
            record.last_token_ns = event.at_ns
            if record.first_token_ns is None:
                record.first_token_ns = event.at_ns
                record.current_phase = Phase.DECODE
        self._recorder.progress(record)
        if not event.completion_tokens:
            self._tell_prefilled(event.at_ns)
        if event.text or event.logprobs:
            self._add_text(event.text, event.at_ns, event.logprobs)

    def _take_accepted(self, event: Accepted) -> None:
        record = self.record
        self._recorder.tokens(record, event.prompt_tokens)
        record.predicted_ttft_ms = event.predicted_ttft_ms
        if event.dropped_messages:
            record.dropped_messages, record.dropped_tokens = event.dropped_messages, event.dropped_tokens
        self._phases.add(event.phases)
        self._reader = self._make_reader(event)
        if self._ahead is not None:
            self._write(Queued(self._ahead, event.predicted_ttft_ms))
        self._accepted.set()
        self._recorder.enter(record, Phase.QUEUE)

    def _tell_prefilled(self, now_ns: int) -> None:
        """Where it is told, how much of the prompt is computed."""
        record = self.record
        if self._ahead is not None:
            elapsed_ms = max(0, now_ns - self._began_ns) / 1e6
            done, total = record.prefilled_tokens or 0, record.prompt_tokens or 0
            self._write(Prefilled(done, total, record.cached_tokens or 0, elapsed_ms))

    def _take_end(self, event: Done | Vectors | Declined) -> None:
        if isinstance(event, Done):
            self._take_done(event)
            return
        self._phases.add(event.phases)
        if isinstance(event, Vectors):
            self._vectors = event
            return
        self.error = event.error
        if event.prompt_tokens is not None:
            self._recorder.tokens(self.record, event.prompt_tokens)

    def _take_done(self, event: Done) -> None:
        record = self.record
        self._phases.add(event.phases, event.cache, known={timing.phase for timing in record.phases})
        record.completion_tokens = event.completion_tokens
        record.first_token_ns, record.last_token_ns = event.first_token_ns, event.last_token_ns
        record.gaps_us, record.bursts = event.gaps_us, event.bursts
        record.delayed_by, record.delayed = event.delayed_by, event.delayed
        record.chunks = list(event.chunks)
        self.error = event.error
        at_ns = event.last_token_ns or self._recorder.clock_ns()
        if event.text or event.logprobs:
            self._add_text(event.text, at_ns, event.logprobs)
        if self._reader is not None:
            self._deliver(self._reader.finish(), at_ns)
            if rest := self._unread.rest():
                self._write(Scored("", rest))
        record.finish_reason = (
            "tool_calls" if self._called and event.finish_reason == "stop" else event.finish_reason
        )

    def _add_text(self, text: str, at_ns: int, logprobs: Sequence[ChosenLogprob]) -> None:
        if text:
            self._recorder.text(self.record, text)
        if self._reader is None:
            self._write(Scored(text, logprobs) if logprobs else Content(text))
            return
        self._unread.add(text, logprobs)
        self._deliver(self._reader.feed(text), at_ns)

    def _deliver(self, events: Iterable[Event], at_ns: int) -> None:
        """Give out what the reader found, and note when each kind came first."""
        record = self.record
        for event in events:
            logprobs = self._unread.read(event.source) if self._unread.used else ()
            if isinstance(event, Content) and logprobs:
                record.first_content_ns = record.first_content_ns or at_ns
                self._write(Scored(event.text, logprobs))
                continue
            if logprobs:
                self._write(Scored("", logprobs))
            if isinstance(event, Markup):
                continue
            if isinstance(event, Reasoning):
                record.first_reasoning_ns = record.first_reasoning_ns or at_ns
                record.reasoning_tokens = record.completion_tokens
            elif isinstance(event, Content):
                record.first_content_ns = record.first_content_ns or at_ns
            elif isinstance(event, CallBegin):
                record.first_call_ns = record.first_call_ns or at_ns
                record.tool_calls += 1
                self._called = True
            self._write(event)

    def _end(self) -> None:
        self._accepted.set()
        self._over.set()


def _whole(deltas: Sequence[Delta]) -> Message:
    """All of an answer; one that is text alone, which may be long, is joined at once."""
    if all(isinstance(delta, Content) for delta in deltas):
        return Message("".join(delta.text for delta in deltas if isinstance(delta, Content)))
    texts = (Content(delta.text) if isinstance(delta, Scored) else delta for delta in deltas)
    return message_of(delta for delta in texts if not isinstance(delta, Queued | Prefilled))
