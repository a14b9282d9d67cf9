"""The delays of one request, bounded: what it lost to others, or they to it."""

from __future__ import annotations

from gateway.engine.protocol import DelayTotal
from telemetry.events import DelayCause

MAX_KEPT = 64
"""Other requests that are remembered while one runs; the least of them goes first."""

MAX_TOLD = 8
"""Other requests that are named in the end, in each direction."""

MIN_TOLD_NS = 1_000_000
"""Less than this is not told: it is what clocks and averages are worth."""


class Delays:
    """The delays of one request, by cause and other request, in one direction."""

    def __init__(self) -> None:
        self._kept: dict[tuple[DelayCause, str], DelayTotal] = {}

    def add(self, cause: DelayCause, other: str, ns: int, at_ns: int) -> None:
        """Note that `ns` were lost from `at_ns` on."""
        known = self._kept.get((cause, other))
        if known is None:
            if len(self._kept) >= MAX_KEPT:
                del self._kept[min(self._kept, key=lambda key: self._kept[key].total_ns)]
            self._kept[cause, other] = DelayTotal(cause, other, ns, 1, ns, at_ns)
            return
        known.total_ns += ns
        known.times += 1
        if ns > known.longest_ns:
            known.longest_ns, known.longest_at_ns = ns, at_ns

    def top(self) -> list[DelayTotal]:
        """The largest, the first first."""
        worth = (delay for delay in self._kept.values() if delay.total_ns >= MIN_TOLD_NS)
        return sorted(worth, key=lambda delay: -delay.total_ns)[:MAX_TOLD]
