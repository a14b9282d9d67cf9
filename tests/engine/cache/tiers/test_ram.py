"""The RAM tier: states as they were given, and their bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.cache.entry import Entry, State
from gateway.engine.cache.tiers.ram import RamTier
from telemetry.events import CacheSource, TierSample
from tests.engine.cache.caches import prompt, state


def test_a_state_is_given_back_as_it_was() -> None:
    """At once, and to whoever reads it."""
    tier, entry = RamTier(10**6), Entry(prompt(1))
    given_back: list[State | None] = []
    assert tier.hold(entry, state())
    tier.read(entry, given_back.append)
    for kept in (tier.state(entry), *given_back):
        assert kept is not None
        assert np.array_equal(kept, state())
    assert len(given_back) == 1


def test_a_newer_state_takes_the_place_of_the_old_one() -> None:
    """Its bytes are counted, and the old one's no longer."""
    tier, entry = RamTier(10**6), Entry(prompt(1))
    tier.hold(entry, state(500))
    tier.hold(entry, state(300))
    assert (tier.size_bytes, tier.size(entry)) == (300, 300)


def test_a_state_goes_to_a_successor() -> None:
    """It is counted once."""
    tier, entry, successor = RamTier(10**6), Entry(prompt(1)), Entry(prompt(1))
    tier.hold(entry, state(500))
    tier.hand_over(entry, successor)
    assert (tier.holds(entry), tier.holds(successor), tier.size_bytes) == (False, True, 500)


KINDS = st.sampled_from(["hold", "drop", "evict", "hand over"])
EVENTS = st.tuples(KINDS, st.integers(0, 4), st.integers(0, 9))


@given(st.lists(EVENTS))
def test_bytes_are_those_that_are_held(events: list[tuple[str, int, int]]) -> None:
    """Whatever comes and goes, and again; entries and tokens too."""
    tier = RamTier(10**6)
    entries = [Entry(prompt(number), stored_tokens=number) for number in range(5)]
    sizes: dict[int, int] = {}
    for event, number, more in events:
        if event == "hold":
            tier.hold(entries[number], state(more))
            sizes[number] = more
        elif event == "hand over" and number in sizes and number != more % 5:
            tier.hand_over(entries[number], entries[more % 5])
            sizes[more % 5] = sizes.pop(number)
        elif event != "hand over":
            (tier.drop if event == "drop" else tier.evict)(entries[number])
            sizes.pop(number, None)
        tier.check_integrity(entries)
    assert tier.sample(entries) == TierSample(CacheSource.RAM, len(sizes), sum(sizes.values()), sum(sizes))


@pytest.mark.parametrize("known", [False, True])
def test_what_cannot_be_is_found(known: bool) -> None:
    """A state of an entry that nobody knows, and bytes that are miscounted."""
    tier, entry = RamTier(10**6), Entry(prompt(1))
    tier.hold(entry, state())
    tier.check_integrity([entry])
    tier.size_bytes += known
    with pytest.raises(AssertionError):
        tier.check_integrity([entry] if known else [])
