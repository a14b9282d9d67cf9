"""A request's record, filled from what its engine says."""

from __future__ import annotations

import pytest

from gateway.engine.protocol import Admitted, Delta, Finished, Refused, Started, Timing
from gateway.errors import ContextLengthError
from gateway.serving.call import Call
from gateway.serving.local.messages import event_of
from gateway.serving.work import Progress
from telemetry.events import CacheOutcome, CacheReason, CacheSource, Phase, Scalar
from telemetry.record import RequestRecord
from tests.telemetry.records import ManualClock, open_record, recorder


def refused(*, at_least: bool) -> RequestRecord:
    """The record of a request whose prompt has 5,000 tokens, or more than that."""
    clock = ManualClock()
    sink = recorder(clock)
    call = Call(open_record(sink, clock), sink, lambda _id: None)
    details = {"n_prompt_tokens": 5000, "n_ctx": 2048}
    call.take(
        event_of(
            Refused(
                id=call.id,
                code="context_length_exceeded",
                message="too long",
                details=details,
                at_least=at_least,
            )
        )
    )
    assert isinstance(call.error, ContextLengthError)
    assert (call.error.n_prompt_tokens, call.error.n_ctx) == (5000, 2048)
    return call.record


def test_a_prompt_that_was_counted_is_recorded() -> None:
    """Its tokens, and with them its context bucket."""
    record = refused(at_least=False)
    assert (record.prompt_tokens, record.context_bucket) == (5000, "4k-8k")


def test_a_prompt_that_was_not_counted_to_its_end_has_no_size() -> None:
    """What is not measured is not recorded; the caller is told what is known."""
    record = refused(at_least=True)
    assert (record.prompt_tokens, record.context_bucket) == (None, None)


def test_gaps_come_with_the_steps_that_they_are_of() -> None:
    """So that the record can tell a step of many tokens from a stall."""
    clock = ManualClock()
    sink = recorder(clock)
    call = Call(open_record(sink, clock), sink, lambda _id: None)
    call.take(event_of(Finished(id=call.id, reason="stop", gaps_us=[9, 1, 1, 1], bursts=[1, 3])))
    assert (call.record.gaps_us, call.record.bursts) == ([9, 1, 1, 1], [1, 3])


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"divergence_token": 7}, None),
        (
            {"matched": 0, "source": "none", "reason": "disabled"},
            CacheOutcome(0, CacheSource.NONE, CacheReason.DISABLED),
        ),
    ],
)
def test_the_cache_outcome_is_that_of_the_slot(
    attributes: dict[str, Scalar], expected: CacheOutcome | None
) -> None:
    """A request that left the queue has none."""
    clock = ManualClock()
    sink = recorder(clock)
    call = Call(open_record(sink, clock), sink, lambda _id: None)
    call.take(
        event_of(
            Finished(id=call.id, reason="cancelled", timings=[Timing(Phase.CACHE_LOOKUP, 1, 2, attributes)])
        )
    )
    assert call.record.cache == expected


def test_the_present_phase_is_what_the_engine_told_last() -> None:
    """Queue, prefill with what the cache had, decode, and the way to the client once the engine is done
    with it.
    """
    clock = ManualClock()
    sink = recorder(clock)
    call = Call(open_record(sink, clock), sink, lambda _id: None)
    lookup = Timing(
        Phase.CACHE_LOOKUP, clock(), clock(), {"matched": 64, "source": "ram", "reason": "appended"}
    )
    messages: list[Admitted | Started | Delta | Finished] = [
        Admitted(id=call.id, prompt_tokens=500, timings=[]),
        Started(call.id, [lookup, Timing(Phase.QUEUE, clock(), clock())]),
        Delta(call.id, "", 0, 200),
        Delta(call.id, "a", 1, 500),
        Finished(id=call.id, reason="stop"),
    ]
    seen = []
    for message in messages:
        if isinstance(message, Delta):
            call.take(Progress(message.text, message.tokens, message.prefilled, clock.advance(1)))
        else:
            call.take(event_of(message))
        seen.append((call.record.current_phase, call.record.prefilled_tokens))
    assert seen == [
        (Phase.QUEUE, None),
        (Phase.PREFILL, 64),
        (Phase.PREFILL, 200),
        (Phase.DECODE, 500),
        (Phase.STREAM, 500),
    ]
