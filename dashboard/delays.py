"""Who held up whom, in words: what a request waited for, and which requests waited for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from telemetry.events import DelayCause
from telemetry.store.queries.delays import StoredDelay

WAITED_FOR = {
    DelayCause.SLOTS: "it held a slot",
    DelayCause.KV: "it computed a prefix that both have",
    DelayCause.PREFILL: "its prompt was computed in the same steps (estimated)",
    DelayCause.RESTORE: "its state was read from the cache",
    DelayCause.TURN: "it was computed alone (estimated)",
    DelayCause.MODEL_LOAD: "a model was being loaded",
    DelayCause.CONTENTION: "they used the cores (estimated)",
}
"""What the request that waited waited for."""

HELD_UP = {
    DelayCause.SLOTS: "this one held a slot",
    DelayCause.KV: "this one computed a prefix that both have",
    DelayCause.PREFILL: "this one's prompt was computed in the same steps (estimated)",
    DelayCause.RESTORE: "this one's state was read from the cache",
    DelayCause.TURN: "this one was computed alone (estimated)",
}
"""The same, seen from the request that was waited for."""


OTHER_PROGRAMS = "other programs"


@dataclass(frozen=True, slots=True)
class DelayLine:
    """One line: the other request ('' where it is not kept), the model that was loaded, or who else it was; times in ms."""

    request_id: str
    model: str
    other: str
    words: str
    total_ms: float
    times: int
    longest_ms: float
    longest_at_ms: float


@dataclass(frozen=True, slots=True)
class DelaysView:
    """Both directions; `told` is False before the request has ended."""

    by: tuple[DelayLine, ...] = ()
    of: tuple[DelayLine, ...] = ()
    told: bool = False


def delays_view(delayed_by: Iterable[StoredDelay], delayed: Iterable[StoredDelay]) -> DelaysView:
    """What the store has of a request that has ended."""
    return DelaysView(tuple(_line(one, WAITED_FOR) for one in delayed_by), tuple(_line(one, HELD_UP) for one in delayed), told=True)


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
