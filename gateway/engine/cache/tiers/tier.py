"""The seam of the prefix cache: what every tier can do. A new one is a file beside this one and a name in the
worker's list.

A tier has copies of prefixes' states, each belonging to one entry, and counts their bytes. It decides
nothing: what is kept and what is evicted is `PrefixCache`'s business, which calls every method under its
lock, but for `state` and `read`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from gateway.engine.cache.entry import Entry, Holder, State
from telemetry.events import CacheSource, TierSample


class Tier(Holder, Protocol):
    """A place for states. None of its methods may wait, but for `read`, and that not on the caller's thread.

    `size_bytes` may be over `budget_bytes` until the cache has evicted enough (0 bytes: the tier is off).
    """

    budget_bytes: int
    size_bytes: int

    def holds(self, entry: Entry) -> bool:
        """Whether an entry's state is here."""

    def state(self, entry: Entry) -> State | None:
        """An entry's state; None where it is not here, or must be read first. Called from any thread."""

    def hold(self, entry: Entry, state: State) -> bool:
        """Take a state that the cache was given, or that a faster tier evicts; returns whether it was taken.

        A tier that writes ahead, on a thread of its own, takes none.
        """

    def read(self, entry: Entry, then: Callable[[State | None], None]) -> None:
        """Read an entry's state and call back with it, or with None where it cannot be had, or is at hand.
        Called from any thread; where reading takes time, another one does it and calls back.
        """

    def hand_over(self, entry: Entry, successor: Entry) -> None:
        """What is held of an entry is another entry's from now on, which has the same state."""

    def drop(self, entry: Entry) -> None:
        """Hold an entry's state no longer, if it is held: it is not wanted any more."""

    def evict(self, entry: Entry) -> None:
        """The same for want of room."""

    def sample(self, entries: Iterable[Entry]) -> TierSample:
        """The count of entries, bytes and tokens here; `entries` are all that the cache knows."""

    def check_integrity(self, entries: Collection[Entry]) -> None:
        """Raise AssertionError unless the counts are right, and nothing is held of an entry that the cache
        does not know.
        """


def sample_of(tier: Tier, held: Iterable[Entry]) -> TierSample:
    """The sample of a tier that has copies of these entries' states."""
    tokens = [entry.stored_tokens for entry in held]
    return TierSample(tier.source, len(tokens), tier.size_bytes, sum(tokens))


def merged(samples: Iterable[TierSample]) -> list[TierSample]:
    """One sample for each source, in their order: tiers that tell the same one are counted together."""
    by_source: dict[CacheSource, TierSample] = {}
    for sample in samples:
        known = by_source.get(sample.tier)
        by_source[sample.tier] = sample if known is None else _sum(known, sample)
    return list(by_source.values())


def _sum(first: TierSample, second: TierSample) -> TierSample:
    size_bytes = (first.size_bytes or 0) + (second.size_bytes or 0)
    return TierSample(first.tier, first.entries + second.entries, size_bytes, first.tokens + second.tokens)
