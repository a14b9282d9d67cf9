"""Delays between requests in words: what a request waited for, and which requests waited for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from telemetry.events import DelayCause
from telemetry.store.queries.delays import StoredDelay
from telemetry.store.queries.requests import RequestDetail

WAITED_FOR = {
    DelayCause.SLOTS: "it held a slot",
    DelayCause.KV: "it computed a prefix that both have",
    DelayCause.PREFILL: "its prompt was computed in the same steps (estimated)",
    DelayCause.RESTORE: "its state was read from the cache",
    DelayCause.TURN: "it was computed alone (estimated)",
    DelayCause.MODEL_LOAD: "a model was being loaded",
    DelayCause.CONTENTION: "they used the cores (estimated)",
}
"""The cause, seen from the request that waited."""

HELD_UP = {
    DelayCause.SLOTS: "this one held a slot",
    DelayCause.KV: "this one computed a prefix that both have",
    DelayCause.PREFILL: "this one's prompt was computed in the same steps (estimated)",
    DelayCause.RESTORE: "this one's state was read from the cache",
    DelayCause.TURN: "this one was computed alone (estimated)",
}
"""The same, seen from the request that was waited for."""


QUEUED = frozenset({DelayCause.SLOTS, DelayCause.KV})
"""Causes of waiting in the queue, for several others at the same time."""

OTHER_PROGRAMS = "other programs"


@dataclass(frozen=True, slots=True)
class DelayLine:
    """The delays of one cause by one other; times in ms.

    The other is a request ('' where it is not kept), the model that was loaded, or who else it was.
    """

    request_id: str
    model: str
    other: str
    words: str
    total_ms: float
    times: int
    longest_ms: float
    longest_at_ms: float

    @property
    def who(self) -> str:
        """The name of who or what held it up."""
        model = f"model {self.model}" if self.model else ""
        return self.request_id or model or self.other or "a request that is not kept"


@dataclass(frozen=True, slots=True)
class DelaysView:
    """Both directions; `told` is False before the request has ended. `lost_ms` of `wall_ms` went to
    others.
    """

    by: tuple[DelayLine, ...] = ()
    of: tuple[DelayLine, ...] = ()
    told: bool = False
    lost_ms: float = 0.0
    wall_ms: float = 0.0

    @property
    def share(self) -> float:
        """The part of the request's time that it lost."""
        return self.lost_ms / self.wall_ms if self.wall_ms else 0.0


def delays_view(detail: RequestDetail) -> DelaysView:
    """The delays that the store has of a request that has ended."""
    wall_ms = detail.row.total_ms or 0.0
    return DelaysView(
        by=tuple(_line(one, WAITED_FOR) for one in detail.delayed_by),
        of=tuple(_line(one, HELD_UP) for one in detail.delayed),
        told=True,
        lost_ms=_lost_ms(detail.delayed_by, wall_ms, detail.row.queue_ms),
        wall_ms=wall_ms,
    )


def _lost_ms(delayed_by: Iterable[StoredDelay], wall_ms: float, queue_ms: float | None) -> float:
    """The time that a request lost, counted once.

    It waits for all who hold the slots at the same time, and for no longer than it was queued.
    """
    times = [(DelayCause(delay.row.cause), delay.row.total_us / 1e3) for delay in delayed_by]
    queued = sum(ms for cause, ms in times if cause in QUEUED)
    others = sum(ms for cause, ms in times if cause not in QUEUED)
    return min(wall_ms, others + (queued if queue_ms is None else min(queued, queue_ms)))


def _line(delay: StoredDelay, words: dict[DelayCause, str]) -> DelayLine:
    row = delay.row
    return DelayLine(
        request_id=delay.request_id or "",
        model=row.model or "",
        other=OTHER_PROGRAMS if row.cause == DelayCause.CONTENTION else "",
        words=words.get(DelayCause(row.cause), row.cause),
        total_ms=row.total_us / 1e3,
        times=row.times,
        longest_ms=row.longest_us / 1e3,
        longest_at_ms=row.longest_at_us / 1e3,
    )
