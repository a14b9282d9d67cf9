"""Blame: the time that one request's work took from another. Pure, and between steps only.

A step with prompts in it takes longer than one without, by what prompts cost: that is shared among them by
tokens, and every other request in a slot waited for it. What a plain step costs is an average, so these times
are estimates; waits for slots, prefixes and restored states are measured.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.engine.backend import Batch, StepResult
from gateway.engine.sequence.sequence import Sequence
from telemetry.events import DelayCause


def note(delayed: Sequence, by: Sequence, cause: DelayCause, ns: int, at_ns: int) -> None:
    """Tell both: who was held up, and who held it up."""
    if ns > 0 and delayed is not by:
        delayed.waiting.delayed_by.add(cause, by.id, ns, at_ns)
        by.waiting.delayed.add(cause, delayed.id, ns, at_ns)


def of_step(batch: Batch, result: StepResult, running: list[Sequence], decode_step_ns: float) -> None:
    """The time that one step cost those that have or had a slot: prompts of others, and steps that they had
    no part in.
    """
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
            # suspended, or not to be computed beside these
            if delayed.slot is None or delayed.request.adapter != batch.adapter:
                note(delayed, by, DelayCause.TURN, step_ns // len(taken), result.start_ns)
            else:
                note(delayed, by, DelayCause.PREFILL, prefill_ns, result.start_ns)


def of_contention(running: Iterable[Sequence], lost_ns: int, at_ns: int) -> None:
    """The time that other programs cost those that have a slot: no request is to blame."""
    if lost_ns > 0:
        for delayed in running:
            delayed.waiting.delayed_by.add(DelayCause.CONTENTION, "", lost_ns, at_ns)


def of_restore(placed: Sequence, running: Iterable[Sequence]) -> None:
    """The time that copying one request's state into its slot cost those that run; while it was read from
    disk, they went on.
    """
    if placed.stamps.copied_ns is not None:
        start_ns, end_ns = placed.stamps.copied_ns
        for delayed in running:
            note(delayed, placed, DelayCause.RESTORE, end_ns - start_ns, start_ns)


def of_wait(placed: Sequence, running: Iterable[Sequence], now_ns: int) -> None:
    """The wait of a request that has a slot now: a prefix that another computed, before that, slots."""
    since_ns = placed.waiting.prefix_since_ns
    if placed.waiting.prefix_of is not None:
        note(placed, placed.waiting.prefix_of, DelayCause.KV, now_ns - since_ns, since_ns)
    for holder in running:
        _waited_for_slot(placed, holder, now_ns)


def of_slot(waiting: Iterable[Sequence], holder: Sequence, now_ns: int) -> None:
    """The time that a slot, which is free now, cost those that wait, as long as its holder had it."""
    for delayed in waiting:
        _waited_for_slot(delayed, holder, now_ns)


def _waited_for_slot(delayed: Sequence, holder: Sequence, now_ns: int) -> None:
    """For how long a request has waited while another held a slot that it could have had."""
    waiting, held_ns = delayed.waiting, holder.stamps.placed_ns
    if waiting.position == 0 or delayed.stamps.placed_ns is not None or held_ns is None:
        return
    since_ns = max(delayed.stamps.queued_ns, held_ns)
    until_ns = now_ns if waiting.prefix_of is None else waiting.prefix_since_ns
    note(delayed, holder, DelayCause.SLOTS, until_ns - since_ns, since_ns)
