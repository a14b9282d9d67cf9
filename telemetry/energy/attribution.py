"""Attribution of energy: an interval's joules shared among the requests that were active in it; pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from telemetry.events import Phase
from telemetry.record import RequestRecord


@dataclass(frozen=True, slots=True)
class Activity:
    """The time in which an engine worked on a request
    (monotonic ns); `end_ns` is None while it still does.
    """

    seq: int
    start_ns: int
    end_ns: int | None


@dataclass(frozen=True, slots=True)
class Split:
    """An interval's joules by request (`seq`), and what belongs to none. They add up to what was measured."""

    shares: dict[int, float]
    idle_j: float


def split(joules: float, start_ns: int, end_ns: int, activities: Iterable[Activity]) -> Split:
    """Share the energy of [start, end] by active time; each moment equally among the requests active at it.

    Power is taken as constant within the interval, since a
    counter tells no more: that is why intervals are short.
    """
    bounds = {
        one.seq: (max(one.start_ns, start_ns), end_ns if one.end_ns is None else min(one.end_ns, end_ns))
        for one in activities
    }
    active = {seq: (begin, end) for seq, (begin, end) in bounds.items() if begin < end}
    shares = dict.fromkeys(active, 0.0)
    idle_j = 0.0 if active else joules
    edges = sorted({start_ns, end_ns, *itertools.chain.from_iterable(active.values())}) if active else []
    for begin, end in itertools.pairwise(edges):
        part_j = joules * ((end - begin) / (end_ns - start_ns))
        at_work = [seq for seq, (first, last) in active.items() if first <= begin and end <= last]
        for seq in at_work:
            shares[seq] += part_j / len(at_work)
        if not at_work:
            idle_j += part_j
    return Split(shares, idle_j)


def activity(record: RequestRecord) -> Activity | None:
    """The time in which an engine worked on it: from leaving
    the queue to its last token; None where it has not begun.

    An engine tells of prefill at its end, so without that phase the request is still at work.
    """
    queued, prefill = record.phase(Phase.QUEUE), record.phase(Phase.PREFILL)
    if queued is None or (prefill is None and record.current_phase not in (Phase.PREFILL, Phase.DECODE)):
        return None
    end_ns = record.ended_ns if prefill is None else max(prefill.end_ns, record.last_token_ns or 0)
    return Activity(record.seq, queued.end_ns, end_ns)
