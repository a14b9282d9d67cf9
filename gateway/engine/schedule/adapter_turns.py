"""LoRA adapters: one batch is computed with one of them, so they take turns."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

TURN_NS = 40_000_000
"""The time that one adapter is computed while sequences of another wait: a change makes the next step about a
third longer (measured: 12.7 ms against 9.7 ms where every step changes), so it must not come with each step.
"""


class AdapterTurns:
    """The turns: the next step is computed with one adapter; "" is the bare model."""

    def __init__(self) -> None:
        self._adapter = ""
        self._since_ns = 0
        self._left_ns: dict[str, int] = {}

    def choose(self, wanted: AbstractSet[str], now_ns: int) -> str:
        """One of the adapters that sequences want: the same one for a turn, then what waited longest."""
        if self._adapter in wanted and (len(wanted) == 1 or now_ns - self._since_ns < TURN_NS):
            return self._adapter
        self._left_ns[self._adapter] = now_ns
        others = sorted(wanted - {self._adapter})
        self._adapter = min(others, key=lambda adapter: self._left_ns.get(adapter, 0))
        self._since_ns = now_ns
        return self._adapter
