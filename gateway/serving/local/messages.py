"""Work → what is sent to an engine process, and what it says → the events of a call."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gateway.engine import protocol as engine
from gateway.engine.protocol import Timing
from gateway.errors import ApiError, ContextLengthError, EngineFailedError, InvalidRequestError
from gateway.serving.handle import Description
from gateway.serving.work import (
    Accepted,
    Declined,
    Done,
    Embed,
    Event,
    Generate,
    Prefilling,
    Progress,
    Rerank,
    Vectors,
    Work,
)
from telemetry.events import (
    CacheOutcome,
    CacheReason,
    CacheSource,
    Phase,
    PhaseTiming,
    PrefillChunk,
    RequestDelay,
    Scalar,
)

About = engine.Admitted | engine.Started | engine.Refused | engine.Embedded | engine.Finished
"""Messages about one request, but for steps, which are of several."""

FINISHED = ("stop", "length")
"""Reasons of the engine that an answer is told with."""


def message_of(request_id: str, work: Work, adapter: str) -> engine.Submit | engine.Embed:
    """What the engine is asked for.

    Raises:
        InvalidRequestError: no engine process does this.
    """
    if isinstance(work, Generate):
        return _submit(request_id, work, adapter)
    if isinstance(work, Embed):
        return engine.Embed(id=request_id, inputs=work.inputs, caller=work.caller, dimensions=work.dimensions)
    if isinstance(work, Rerank):
        return engine.Embed(id=request_id, inputs=list(work.documents), query=work.query, caller=work.caller)
    raise InvalidRequestError(f"The model {work.model!r} cannot do this; ask another one.", param="model")


def _submit(request_id: str, work: Generate, adapter: str) -> engine.Submit:
    return engine.Submit(
        id=request_id,
        messages=work.messages,
        prompt=work.prompt,
        adapter=adapter,
        streamed=work.stream,
        sampling=work.sampling,
        max_tokens=work.max_tokens,
        stop=work.stop,
        stop_tokens=work.stop_tokens,
        caller=work.caller,
        conversation=work.conversation or "",
        background=work.background,
        cache=work.cache,
        pin=work.pin,
        truncate=work.truncate,
        ending=work.ending,
        tools=list(work.tools),
        tool_choice=work.tool_choice,
        parallel_tool_calls=work.parallel_tool_calls,
        constraint=work.constraint,
        constraint_param=work.constraint_param,
        rules=work.rules,
        keep_stop=work.keep_stop,
        logprobs=work.logprobs,
    )


def description_of(ready: engine.Ready) -> Description:
    """What a loaded engine says of itself."""
    return Description(
        config=ready.config,
        task=ready.task,
        special_tokens=ready.special_tokens,
        chat_template=ready.chat_template is not None,
        tuning=ready.tuning,
        threads_limit=ready.threads_limit,
        vocab=ready.vocab,
    )


def progress_of(delta: engine.Delta, end_ns: int) -> Progress:
    """What a step gave one request."""
    return Progress(delta.text, delta.tokens, delta.prefilled, end_ns, delta.logprobs)


def event_of(message: About) -> Event:
    """What a message says, in everybody's terms."""
    phases = [
        PhaseTiming(Phase(one.phase), one.start_ns, one.end_ns, one.attributes) for one in message.timings
    ]
    if isinstance(message, engine.Admitted):
        return _accepted(message, phases)
    if isinstance(message, engine.Started):
        return Prefilling(phases=phases, cache=_cache_outcome(message.timings))
    if isinstance(message, engine.Embedded):
        return Vectors(data=message.vectors, dimensions=message.dimensions, phases=phases)
    if isinstance(message, engine.Refused):
        error = _refusal(message)
        counted = isinstance(error, ContextLengthError) and not message.at_least
        return Declined(
            error=error, prompt_tokens=message.details["n_prompt_tokens"] if counted else None, phases=phases
        )
    return _done(message, phases)


def _accepted(message: engine.Admitted, phases: list[PhaseTiming]) -> Accepted:
    cut = message.truncation
    return Accepted(
        prompt_tokens=message.prompt_tokens,
        predicted_ttft_ms=message.predicted_ttft_ms,
        dropped_messages=() if cut is None else cut.dropped_messages,
        dropped_tokens=None if cut is None else cut.dropped_tokens,
        prompt_end=message.prompt_end,
        phases=phases,
    )


def _done(message: engine.Finished, phases: list[PhaseTiming]) -> Done:
    failed = message.reason == "error"
    words = message.message or "the engine could not compute this request"
    return Done(
        finish_reason=message.reason if message.reason in FINISHED else None,
        text=message.text,
        logprobs=message.logprobs,
        error=EngineFailedError(words) if failed else None,
        completion_tokens=message.completion_tokens,
        first_token_ns=message.first_token_ns,
        last_token_ns=message.last_token_ns,
        gaps_us=message.gaps_us,
        bursts=message.bursts,
        chunks=[PrefillChunk(*msgspec.structs.astuple(chunk)) for chunk in message.chunks],
        phases=phases,
        cache=_cache_outcome(message.timings),
        delayed_by=_delays(message.delayed_by),
        delayed=_delays(message.delayed),
    )


def _cache_outcome(timings: Iterable[Timing]) -> CacheOutcome | None:
    """None for a request that ended before it had a slot: what the cache would have given it was never
    decided.
    """
    for timing in timings:
        if timing.phase == Phase.CACHE_LOOKUP and "reason" in timing.attributes:
            return _outcome(timing.attributes)
    return None


def _outcome(attributes: dict[str, Scalar]) -> CacheOutcome:
    return CacheOutcome(
        matched_tokens=int(attributes["matched"]),
        source=CacheSource(str(attributes["source"])),
        reason=CacheReason(str(attributes["reason"])),
        divergence_token=_index(attributes.get("divergence_token")),
        divergence_message=_index(attributes.get("divergence_message")),
    )


def _delays(delays: Iterable[engine.DelayTotal]) -> list[RequestDelay]:
    return [_delay(delay) for delay in delays]


def _delay(delay: engine.DelayTotal) -> RequestDelay:
    other = int(delay.other.partition(".")[0]) if delay.other else None
    return RequestDelay(
        delay.cause, other, delay.total_ns, delay.times, delay.longest_ns, delay.longest_at_ns
    )


def _index(value: Scalar | None) -> int | None:
    return None if value is None else int(value)


def _refusal(message: engine.Refused) -> ApiError:
    if message.code == "context_length_exceeded":
        return ContextLengthError(message.message, param=message.param, **message.details)
    if message.code == "server_error":
        return EngineFailedError(message.message)
    return InvalidRequestError(message.message, code=message.code, param=message.param)
