"""One request at an engine, seen from the gateway: its record is filled from the engine's messages here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from gateway.engine.protocol import Admitted, Delay, Delta, Embedded, Finished, Refused, Started, Timing
from gateway.errors import ApiError, ContextLengthError, EngineFailedError, InvalidRequestError
from telemetry.events import CacheOutcome, CacheReason, CacheSource, Phase, PrefillChunk, Scalar
from telemetry.events import Delay as RecordedDelay
from telemetry.record import RequestRecord
from telemetry.recorder import Recorder


class Call:
    """A submitted request."""

    def __init__(self, record: RequestRecord, recorder: Recorder, cancel: Callable[[str], None]) -> None:
        self.id = str(record.seq)
        self.record = record
        self.error: ApiError | None = None
        self._recorder = recorder
        self._cancel = cancel
        self._admitted = asyncio.Event()
        self._over = asyncio.Event()
        self._text: list[str] = []
        self._write: Callable[[str], None] = self._text.append
        self._embedded: Embedded | None = None

    async def admitted(self) -> None:
        """Until the engine has taken the prompt.

        Raises:
            ApiError: the engine refused it or is gone.
        """
        await self._admitted.wait()
        if self.error is not None:
            raise self.error

    async def text(self) -> str:
        """The whole answer, when it is there.

        Raises:
            ApiError: the request failed.
        """
        await self._over.wait()
        if self.error is not None:
            raise self.error
        return "".join(self._text)

    async def follow(self, write: Callable[[str], None]) -> None:
        """Have each piece of the answer written the moment it is there, until the end. `write` may not raise.

        Raises:
            ApiError: the request failed; what came before stands.
        """
        if self._text:
            write("".join(self._text))
            self._text.clear()
        self._write = write
        await self._over.wait()
        if self.error is not None:
            raise self.error

    async def embedded(self) -> Embedded:
        """The vectors, when all are there.

        Raises:
            ApiError: the request failed.
        """
        await self._over.wait()
        if self.error is not None:
            raise self.error
        assert self._embedded is not None, "only a cancelled request ends without vectors, and nobody waits for one"
        return self._embedded

    def cancel(self) -> None:
        """Ask the engine to stop; harmless when it has."""
        if not self._over.is_set():
            self._cancel(self.id)

    async def over(self, timeout_s: float) -> None:
        """Until the engine has reported the end; when the time is up, phases end with what we know."""
        try:
            await asyncio.wait_for(self._over.wait(), timeout_s)
        except TimeoutError:
            self._end_phases()

    def fail(self, error: ApiError) -> None:
        """End with an error, e.g. because the engine died."""
        if not self._over.is_set():
            self.error = error
            self._end_phases()
            self._end()

    def take(self, message: Admitted | Started | Refused | Embedded | Finished) -> None:
        """Take in one message of the engine about this request."""
        if isinstance(message, Admitted):
            self._take_admitted(message)
        elif isinstance(message, Started):
            self._add_timings(message.timings)
            self.record.prefilled_tokens = self.record.cached_tokens
            self._recorder.enter(self.record, Phase.PREFILL)
        else:
            self._take_end(message)
            self._recorder.enter(self.record, Phase.STREAM)
            self._end()

    def step(self, delta: Delta, end_ns: int) -> None:
        """Take in what an engine step, and those before it that were not told, gave."""
        record = self.record
        record.prefilled_tokens = delta.prefilled
        if delta.tokens:
            record.completion_tokens = delta.tokens
            record.last_token_ns = end_ns
            if record.first_token_ns is None:
                record.first_token_ns = end_ns
                record.current_phase = Phase.DECODE
        self._recorder.progress(record)
        self._add_text(delta.text)

    def _take_admitted(self, message: Admitted) -> None:
        self._recorder.tokens(self.record, message.prompt_tokens)
        self.record.predicted_ttft_ms = message.predicted_ttft_ms
        if message.truncation is not None:
            self.record.dropped_messages = message.truncation.dropped_messages
            self.record.dropped_tokens = message.truncation.dropped_tokens
        self._add_timings(message.timings)
        self._admitted.set()
        self._recorder.enter(self.record, Phase.QUEUE)

    def _take_end(self, message: Refused | Embedded | Finished) -> None:
        known = {timing.phase for timing in self.record.phases} if isinstance(message, Finished) else ()
        self._add_timings([timing for timing in message.timings if Phase(timing.phase) not in known])
        if isinstance(message, Finished):
            self._take_finished(message)
        elif isinstance(message, Embedded):
            self._embedded = message
        else:
            self.error = _refusal(message)
            if isinstance(self.error, ContextLengthError) and not message.at_least:
                self._recorder.tokens(self.record, self.error.n_prompt_tokens)

    def _take_finished(self, message: Finished) -> None:
        record = self.record
        record.finish_reason = message.reason if message.reason in ("stop", "length") else None
        record.completion_tokens = message.completion_tokens
        record.first_token_ns, record.last_token_ns = message.first_token_ns, message.last_token_ns
        record.gaps_us, record.bursts = message.gaps_us, message.bursts
        record.delayed_by, record.delayed = _delays(message.delayed_by), _delays(message.delayed)
        record.chunks = [PrefillChunk(*msgspec.structs.astuple(chunk)) for chunk in message.chunks]
        if message.reason == "error":
            self.error = EngineFailedError(message.message or "the engine could not compute this request")
        self._add_text(message.text)

    def _add_text(self, text: str) -> None:
        if text:
            self._recorder.text(self.record, text)
            self._write(text)

    def _end(self) -> None:
        self._admitted.set()
        self._over.set()

    def _add_timings(self, timings: list[Timing]) -> None:
        for timing in timings:
            phase = Phase(timing.phase)
            if phase in (Phase.RENDER, Phase.TOKENIZE):
                self._close_admit(timing.start_ns)
            if phase is Phase.CACHE_LOOKUP:
                self.record.cache = _cache_outcome(timing)
                if self.record.predicted_ttft_ms is not None:
                    timing.attributes["predicted_ttft_ms"] = round(self.record.predicted_ttft_ms, 3)
            self._recorder.phase(self.record, phase, timing.start_ns, timing.end_ns, **timing.attributes)

    def _end_phases(self) -> None:
        """The engine will not report: what was under way ended now, by the stamps that it sent before."""
        record, now_ns = self.record, self._recorder.clock_ns()
        if record.phase(Phase.TOKENIZE) is None or record.prompt_tokens is None:
            return
        reached_ns = max(timing.end_ns for timing in record.phases)
        if record.phase(Phase.QUEUE) is None:
            self._recorder.phase(record, Phase.QUEUE, reached_ns, now_ns)
            return
        sampled_ns = record.first_token_ns
        self._recorder.phase(record, Phase.PREFILL, reached_ns, sampled_ns or now_ns)
        if sampled_ns is not None:
            self._recorder.phase(record, Phase.DECODE, sampled_ns, now_ns)

    def _close_admit(self, now_ns: int) -> None:
        """Admission lasts until the engine takes the request up: the pipe between is part of it."""
        if self.record.phase(Phase.ADMIT) is None:
            self._recorder.phase(self.record, Phase.ADMIT, self.record.started_ns, now_ns)


def _cache_outcome(timing: Timing) -> CacheOutcome | None:
    """None for a request that ended before it had a slot: what the cache would have given it was never decided."""
    attributes = timing.attributes
    if "reason" not in attributes:
        return None
    return CacheOutcome(
        matched_tokens=int(attributes["matched"]),
        source=CacheSource(str(attributes["source"])),
        reason=CacheReason(str(attributes["reason"])),
        divergence_token=_index(attributes.get("divergence_token")),
        divergence_message=_index(attributes.get("divergence_message")),
    )


def _delays(delays: list[Delay]) -> list[RecordedDelay]:
    return [
        RecordedDelay(
            delay.cause, int(delay.other) if delay.other else None, delay.total_ns, delay.times, delay.longest_ns, delay.longest_at_ns
        )
        for delay in delays
    ]


def _index(value: Scalar | None) -> int | None:
    return None if value is None else int(value)


def _refusal(message: Refused) -> ApiError:
    if message.code == "context_length_exceeded":
        return ContextLengthError(message.message, param=message.param, **message.details)
    if message.code == "server_error":
        return EngineFailedError(message.message)
    return InvalidRequestError(message.message, code=message.code, param=message.param)
