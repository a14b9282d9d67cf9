"""The tiers behind the KV, as one list: who holds what, and what goes from one to the next."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.engine.cache.entry import Entry
from gateway.engine.cache.tiers.tier import Tier


class Stores:
    """Tiers that have copies of states, the fastest first. Under the lock of the cache that owns it."""

    def __init__(self, *tiers: Tier) -> None:
        self._tiers = tiers

    def __iter__(self) -> Iterator[Tier]:
        return iter(self._tiers)

    def holders(self, entry: Entry) -> tuple[Tier, ...]:
        """The tiers that hold an entry's state."""
        return tuple(tier for tier in self._tiers if tier.holds(entry))

    def slower(self, entry: Entry) -> tuple[Tier, ...]:
        """The tiers behind the slowest one that holds an entry's state."""
        ranks = [rank for rank, tier in enumerate(self._tiers) if tier.holds(entry)]
        return self._tiers[max(ranks, default=-1) + 1 :]

    def evict(self, entry: Entry, tier: Tier) -> None:
        """Let the tiers behind take what this one holds of an entry, where they have it not; then it goes."""
        state = tier.state(entry)
        if state is not None:
            for one in self._tiers[self._tiers.index(tier) + 1 :]:
                if not one.holds(entry):
                    one.hold(entry, state)
        tier.evict(entry)
