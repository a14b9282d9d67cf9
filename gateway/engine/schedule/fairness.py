"""The order of requests: interactive before background, and callers by what they have had so far.

Source of the fair share: virtual token counters (Sheng et al., "Fairness in Serving Large Language Models",
2024).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from gateway.engine.sequence.sequence import Sequence

OUTPUT_WEIGHT = 2.0
"""An output token counts as much as this many prompt tokens that are computed."""

BACKGROUND_PATIENCE_NS = 60 * 10**9
"""A background request that has waited this long is treated like any other."""

MAX_CALLERS = 1000


class Called(Protocol):
    """A request, whatever it asks for."""

    @property
    def caller(self) -> str:
        """The name of whoever shares the engine with others."""


class FairShare:
    """Counts what each caller was served, in prompt tokens."""

    def __init__(self) -> None:
        self._served: dict[str, float] = {}

    def arrived(self, request: Called, present: Iterable[Called]) -> None:
        """A caller that comes (back) begins where the least served one present is: absence is no credit."""
        callers = {other.caller for other in present}
        if request.caller in callers:
            return
        least = min((self._served.get(caller, 0.0) for caller in callers), default=0.0)
        if not callers or len(self._served) > MAX_CALLERS:
            self._served = {caller: self._served.get(caller, 0.0) for caller in callers}
        self._served[request.caller] = max(least, self._served.get(request.caller, 0.0))

    def computed(self, request: Called, tokens: int) -> None:
        """Prompt tokens were computed for a caller."""
        self._served[request.caller] = self.served(request) + tokens

    def sampled(self, request: Called, tokens: int) -> None:
        """Tokens were sampled for a caller."""
        self._served[request.caller] = self.served(request) + OUTPUT_WEIGHT * tokens

    def served(self, request: Called) -> float:
        """The prompt tokens' worth that the caller of a request has had, since others are here."""
        return self._served.get(request.caller, 0.0)

    def order(self, waiting: Iterable[Sequence], now_ns: int) -> list[Sequence]:
        """Those that wait, the next one first: interactive first, then the caller who had least, then who
        came first.
        """

        def place(one: Sequence) -> tuple[bool, float, int]:
            return yields(one, now_ns), self.served(one.request), one.stamps.queued_ns

        return sorted(waiting, key=place)


def yields(sequence: Sequence, now_ns: int) -> bool:
    """True while a sequence lets interactive ones pass."""
    return sequence.request.background and now_ns - sequence.stamps.queued_ns < BACKGROUND_PATIENCE_NS
