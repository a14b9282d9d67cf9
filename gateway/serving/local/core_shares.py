"""The cores of this machine, divided among the engines that have work."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Sharer(Protocol):
    """An engine that may have to share."""

    model: str

    @property
    def in_flight(self) -> int:
        """Requests that it works on."""

    def share(self, part: int, parts: int) -> None:
        """Tell it that it is number `part` (from 0) of so many that have work."""


class CoreShares:
    """Watches which engines have work; each is told its part whenever that changes.

    Two that both use all cores hold each other up at every barrier, so that together they take longer than
    one after the other; with half of the cores each they do not meet.
    """

    def __init__(self, engines: Iterable[Sharer] = ()) -> None:
        self._engines = list(engines)
        self._busy: list[str] = []

    def add(self, engine: Sharer) -> None:
        """One more engine."""
        self._engines.append(engine)

    def remove(self, engine: Sharer) -> None:
        """One engine is gone."""
        self._engines.remove(engine)
        self.changed()

    def changed(self) -> None:
        """An engine has begun to work, or has nothing to do any more."""
        busy = [engine for engine in self._engines if engine.in_flight]
        names = [engine.model for engine in busy]
        if names == self._busy:
            return
        self._busy = names
        for part, engine in enumerate(busy):
            engine.share(part, len(busy))
