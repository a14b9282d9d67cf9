"""How long a new request's first token will take: from the tokens ahead of it and the measured speed."""

from __future__ import annotations

from gateway.engine.schedule.scheduler import Scheduler
from gateway.engine.sequence import Sequence


def predict_ttft_ms(scheduler: Scheduler, sequence: Sequence) -> float:
    """Milliseconds until the first token, estimated when the request arrives.

    Prompts share the budget, short ones first, so another prompt delays this one by at most as many tokens as this one
    has. Read from another thread than the scheduler's: at worst one step old.
    """
    own = uncached(sequence)
    others = [other.remaining for other in scheduler.running if other.prefilling] + [uncached(other) for other in list(scheduler.waiting)]
    tokens = own + sum(min(own, other) for other in others)
    return (tokens * token_ns(scheduler, tokens) + slot_wait_ns(scheduler, len(scheduler.waiting) + 1)) / 1e6


def uncached(sequence: Sequence) -> int:
    """Tokens of a waiting prompt that the cache is not expected to supply; at least one is always computed."""
    return max(1, len(sequence.prompt) - sequence.lookup.expected)


def token_ns(scheduler: Scheduler, tokens: int) -> float:
    """What each of so many prompt tokens costs now: its own share, and that of the decodes beside it."""
    decoding = sum(not sequence.prefilling for sequence in scheduler.running)
    pace = scheduler.pace
    beside_ns = pace.decode_step_ns / pace.budget(decoding) if decoding else 0.0
    return pace.token_ns(tokens) + beside_ns


def slot_wait_ns(scheduler: Scheduler, position: int) -> float:
    """How long the request at this place of the queue (1 is next) waits for a slot, by the mean time that one is held."""
    free = scheduler.slots.count(None)
    return max(0, position - free) * scheduler.mean_held_ns / len(scheduler.slots)
