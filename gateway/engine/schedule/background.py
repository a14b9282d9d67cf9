"""Background sequences make way for interactive ones, and nobody is left waiting for one that does
not go on. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.engine.cache.entry import Entry
from gateway.engine.schedule.fairness import yields
from gateway.engine.schedule.placement import Placement
from gateway.engine.sequence.sequence import Sequence


def active(
    running: list[Sequence],
    waiting: list[Sequence],
    placement: Placement,
    now_ns: int,
) -> list[Sequence]:
    """Those of the running that may be computed now: background ones only when they are alone, or when one
    that has waited for so long that it lets nobody pass needs their prefix. Without that, neither would ever
    be computed.
    """
    if all(yields(sequence, now_ns) for sequence in [*running, *waiting]):
        return running
    prefixes: list[Entry] = []
    if any(yields(sequence, now_ns) for sequence in running):
        aged = [one for one in waiting if one.request.background and not yields(one, now_ns)]
        prefixes, _ = _awaited(aged, placement)
    return [sequence for sequence in running if not yields(sequence, now_ns) or sequence.entry in prefixes]


def to_suspend(
    running: list[Sequence],
    waiting: list[Sequence],
    placement: Placement,
    now_ns: int,
) -> Sequence | None:
    """The background sequence that gives up its slot, all of which are taken: one that nobody waits for, to
    somebody who would take it and not wait for a prefix all the same.
    """
    pressing = [sequence for sequence in waiting if not yields(sequence, now_ns)]
    held = [sequence for sequence in running if yields(sequence, now_ns)]
    if not pressing or not held:
        return None
    prefixes, ready = _awaited(pressing, placement)
    spare = [sequence for sequence in held if sequence.entry not in prefixes]
    return spare[-1] if spare and ready else None


def _awaited(sequences: Iterable[Sequence], placement: Placement) -> tuple[list[Entry], bool]:
    """The prefixes that these would wait for if they had a slot, and True if any of them would not wait."""
    waits = [placement.awaited(sequence) for sequence in sequences]
    return [wait.entry for wait in waits if wait is not None], None in waits
