"""The forecast of a new request's time to first token: from the tokens ahead of it and the measured speed."""

from __future__ import annotations

from gateway.engine.schedule.scheduler import Scheduler
from gateway.engine.sequence.sequence import Sequence


def predict_ttft_ms(scheduler: Scheduler, sequence: Sequence) -> float:
    """Milliseconds until the first token, estimated when the request arrives.

    Prompts share the budget, short ones first, so another prompt delays this one by at most as many tokens as
    this one has. Read from another thread than the scheduler's: at worst one step old.
    """
    own, waiting = uncached(sequence), scheduler.waiting
    computing = [other.progress.remaining for other in scheduler.running if other.progress.prefilling]
    others = computing + [uncached(other) for other in waiting]
    tokens = own + sum(min(own, other) for other in others)
    return (tokens * token_ns(scheduler, tokens) + slot_wait_ns(scheduler, len(waiting) + 1)) / 1e6


def uncached(sequence: Sequence) -> int:
    """Tokens of a waiting prompt that the cache is not expected to supply; one at least is computed."""
    return max(1, sequence.progress.prompt_tokens - sequence.lookup.expected)


def token_ns(scheduler: Scheduler, tokens: int) -> float:
    """The time of each of so many prompt tokens now (ns): its own share, and the decodes beside it."""
    decoding = sum(not sequence.progress.prefilling for sequence in scheduler.running)
    pace = scheduler.pace
    beside_ns = pace.decode_step_ns / pace.budget(decoding) if decoding else 0.0
    return pace.token_ns(tokens) + beside_ns


def slot_wait_ns(scheduler: Scheduler, position: int) -> float:
    """The wait (ns) for a slot of the request at this place of the queue (1 is next), by the mean time that
    one is held.
    """
    slots = scheduler.slots
    return max(0, position - slots.free) * slots.mean_held_ns / len(slots)
