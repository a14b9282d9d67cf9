"""The list of tiers: who holds what, and what goes from one to the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.engine.cache.entry import Entry
from gateway.engine.cache.tiers.disk import DiskTier
from gateway.engine.cache.tiers.ram import RamTier
from gateway.engine.cache.tiers.stores import Stores
from gateway.engine.cache.tiers.tier import merged
from telemetry.events import CacheSource, TierSample
from tests.engine.cache.caches import STATE_BYTES, prompt, state
from tests.engine.cache.tiers.toy import ToyTier


@pytest.fixture
def entry() -> Entry:
    return Entry(prompt(1))


def test_holders_are_told_fastest_first(entry: Entry) -> None:
    """In whatever order they came to have it."""
    ram, disk, toy = RamTier(10**6), DiskTier(10**6), ToyTier(10**6)
    stores = Stores(ram, disk, toy)
    assert (stores.holders(entry), stores.slower(entry)) == ((), (ram, disk, toy))
    disk.give(entry, Path("a"), 10)
    ram.hold(entry, state())
    assert (stores.holders(entry), stores.slower(entry)) == ((ram, disk), (toy,))
    disk.drop(entry)
    assert (stores.holders(entry), stores.slower(entry)) == ((ram,), (disk, toy))


def test_what_is_evicted_is_offered_to_those_behind(entry: Entry) -> None:
    """Each takes it if it has room; the one that evicts has it no longer."""
    ram, small, large = RamTier(10**6), ToyTier(STATE_BYTES - 1), ToyTier(STATE_BYTES)
    stores = Stores(ram, small, large)
    ram.hold(entry, state())
    stores.evict(entry, ram)
    assert stores.holders(entry) == (large,)


def test_what_must_be_read_first_is_not_offered(entry: Entry) -> None:
    """It goes: nothing waits for a disk under the cache's lock."""
    disk, toy = DiskTier(10**6), ToyTier(10**6)
    stores = Stores(disk, toy)
    disk.give(entry, Path("a"), 10)
    stores.evict(entry, disk)
    assert stores.holders(entry) == ()


def test_samples_of_one_source_are_one() -> None:
    """The others are as they were, without bytes where they had none."""
    kv, ram = TierSample(CacheSource.KV, 1, None, 10), TierSample(CacheSource.RAM, 2, 200, 20)
    more = TierSample(CacheSource.RAM, 3, 300, 30)
    assert merged([kv, ram, more]) == [kv, TierSample(CacheSource.RAM, 5, 500, 50)]
