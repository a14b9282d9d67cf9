"""Who held up whom: the time that one request's work took from another. Pure, and between steps only.

A step with prompts in it takes longer than one without, by what prompts cost: that is shared among them by tokens, and
every other request in a slot waited for it. What a plain step costs is an average, so these times are estimates;
waits for slots, prefixes and restored states are measured.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.engine.backend import Batch, StepResult
from gateway.engine.sequence import Sequence
from telemetry.events import DelayCause


def note(delayed: Sequence, by: Sequence, cause: DelayCause, ns: int, at_ns: int) -> None:
    """Tell both: who was held up, and who held it up."""
    if ns > 0 and delayed is not by:
        delayed.delayed_by.add(cause, by.id, ns, at_ns)
        by.delayed.add(cause, delayed.id, ns, at_ns)


def of_step(batch: Batch, result: StepResult, running: list[Sequence], decode_step_ns: float) -> None:
    """What one step cost those that have or had a slot: prompts of others, and steps that they had no part in."""
    if len(running) < 2 or (not batch.prefill_tokens and len(batch.parts) == len(running)):
        return
    taken = {part.slot: len(part.tokens) if part.prefill else 0 for part in batch.parts}
    step_ns = result.end_ns - result.start_ns
    extra_ns = max(0.0, step_ns - (decode_step_ns if batch.decode_tokens else 0.0))
    for by in running:
        if by.slot is None or by.slot not in taken:
            continue
        prefill_ns = int(extra_ns * taken[by.slot] / batch.prefill_tokens) if batch.prefill_tokens else 0
        for delayed in running:
            if delayed.slot is None or delayed.adapter != batch.adapter:  # suspended, or not to be computed beside these
                note(delayed, by, DelayCause.TURN, step_ns // len(taken), result.start_ns)
            else:
                note(delayed, by, DelayCause.PREFILL, prefill_ns, result.start_ns)


def of_contention(running: Iterable[Sequence], lost_ns: int, at_ns: int) -> None:
    """What other programs cost those that have a slot: no request is to blame."""
    if lost_ns > 0:
        for delayed in running:
            delayed.delayed_by.add(DelayCause.CONTENTION, "", lost_ns, at_ns)


def of_restore(placed: Sequence, running: Iterable[Sequence]) -> None:
    """What copying one request's state into its slot cost those that run; while it was read from disk, they went on."""
    if placed.copied_ns is not None:
        start_ns, end_ns = placed.copied_ns
        for delayed in running:
            note(delayed, placed, DelayCause.RESTORE, end_ns - start_ns, start_ns)


def of_wait(placed: Sequence, running: Iterable[Sequence], now_ns: int) -> None:
    """What a request that has a slot now waited for: a prefix that another computed, and before that, slots."""
    if placed.prefix_of is not None:
        note(placed, placed.prefix_of, DelayCause.KV, now_ns - placed.prefix_since_ns, placed.prefix_since_ns)
    for holder in running:
        of_slot(placed, holder, now_ns)


def of_slot(waiting: Sequence, holder: Sequence, now_ns: int) -> None:
    """For how long a request has waited while another held a slot that it could have had."""
    if waiting.position_in_queue == 0 or waiting.placed_ns is not None or holder.placed_ns is None:
        return
    since_ns = max(waiting.queued_ns, holder.placed_ns)
    until_ns = now_ns if waiting.prefix_of is None else waiting.prefix_since_ns
    note(waiting, holder, DelayCause.SLOTS, until_ns - since_ns, since_ns)
