"""The KV tier: entries with a slot, and nothing that is counted or evicted."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.engine.cache.entry import Entry, State
from gateway.engine.cache.tiers.kv import KvTier
from telemetry.events import CacheSource, TierSample
from tests.engine.cache.caches import prompt, state


def in_slot(slot: int | None, computed: int = 10, *, running: bool = False) -> Entry:
    return Entry(prompt(1 if slot is None else slot), n_computed=computed, slot=slot, running=running)


def test_an_entry_is_held_as_long_as_it_has_its_slot() -> None:
    """Dropped, it has neither slot nor state, and does not run."""
    tier, entry = KvTier(), in_slot(0, running=True)
    assert tier.holds(entry)
    tier.drop(entry)
    assert (tier.holds(entry), entry.running, entry.source) == (False, False, CacheSource.NONE)


def test_nothing_is_put_in_or_read() -> None:
    """A state comes into a slot by way of a sequence; whoever wants to read is called back without one."""
    tier, entry = KvTier(), in_slot(None)
    read: list[State | None] = []
    assert not tier.hold(entry, state())
    tier.read(entry, read.append)
    assert (tier.holds(entry), tier.state(entry), read) == (False, None, [None])


def test_a_slot_goes_to_a_successor() -> None:
    """Whoever had it has it no longer."""
    tier, entry, successor = KvTier(), in_slot(3), in_slot(None)
    tier.hand_over(entry, successor)
    assert (tier.holds(entry), successor.slot) == (False, 3)


def test_slots_and_tokens_are_counted_and_no_bytes() -> None:
    """Those belong to the engine's context."""
    sample = KvTier().sample([in_slot(0, 10), in_slot(None, 20), in_slot(2, 30)])
    assert sample == TierSample(CacheSource.KV, 2, None, 40)


@pytest.mark.parametrize(
    "wrong",
    [[in_slot(1), in_slot(1)], [Entry(np.zeros(1, dtype=np.int32), running=True)]],
    ids=["two in one slot", "running without one"],
)
def test_what_cannot_be_is_found(wrong: list[Entry]) -> None:
    """A slot is one entry's, and who runs has one."""
    tier = KvTier()
    tier.check_integrity([in_slot(0), in_slot(1, running=True), in_slot(None)])
    with pytest.raises(AssertionError):
        tier.check_integrity(wrong)
