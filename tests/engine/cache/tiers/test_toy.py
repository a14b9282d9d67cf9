"""A tier more is a file and a word: what the others evict is found in it, and everything tells of it."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from gateway.engine.sequence.sequence import Sequence
from telemetry.events import CacheReason, CacheSource, Phase
from tests.engine.cache.caches import KEY, Disk
from tests.engine.cache.serving import a_rig_on, looked_up, served
from tests.engine.cache.tiers.toy import ToyTier
from tests.engine.fakes import expected, sequence
from tests.engine.rig import Rig

PROMPT = [7] * 100
ANSWER = 3
STATE_BYTES = 4 * (len(PROMPT) + ANSWER - 1)


@pytest.fixture
def toy() -> ToyTier:
    return ToyTier(10 * STATE_BYTES)


@pytest.fixture
def one(disks: Callable[..., Disk], toy: ToyTier) -> Disk:
    """A cache with room for one state in RAM and one on disk, and the toy behind them."""
    return disks(KEY, toy, ram_bytes=STATE_BYTES, disk_bytes=2 * STATE_BYTES + 1500)


@pytest.fixture
def rig(one: Disk) -> Rig:
    return a_rig_on(one)


def asked(one: Disk, rig: Rig, name: str, prompt: list[int]) -> Sequence:
    """A request served, and its state in RAM and on disk as far as they have room."""
    made = looked_up(one, name, prompt)
    served(rig, made)
    while rig.placement.save_one_idle():
        continue
    one.flush()
    return made


@pytest.fixture
def evicted(one: Disk, rig: Rig) -> Disk:
    """The prompt was in RAM and on disk, and had to make way in both."""
    asked(one, rig, "before", PROMPT)
    for first in range(20, 26):
        asked(one, rig, f"other {first}", [first] * len(PROMPT))
    return one


def test_what_the_others_evict_is_found_in_it(evicted: Disk, rig: Rig, toy: ToyTier) -> None:
    """The prefix is not computed again; the restore tells the toy's name, and the record its source."""
    assert (evicted.cache.evicted["ram"] > 0, evicted.cache.evicted["disk"] > 0) == (True, True)
    again = looked_up(evicted, "again", [*PROMPT, 8, 9])
    served(rig, again)
    lookup, read, copied = again.lookup.timings()
    assert lookup.attributes["source"] == CacheSource.DISK.value
    assert lookup.attributes["matched"] == len(PROMPT)
    assert (read.phase, read.attributes) == (Phase.CACHE_RESTORE, {"bytes": STATE_BYTES, "source": "toy"})
    assert copied.attributes["source"] == CacheSource.RAM.value
    prompt = again.request.prompt
    assert again.progress.tokens == [*prompt, *expected(prompt, ANSWER)]


def test_its_bytes_are_counted_with_its_source(evicted: Disk, toy: ToyTier) -> None:
    """Gauges are by source: one sample, with what both tiers have."""
    samples = {sample.tier: sample for sample in evicted.cache.tiers()}
    assert list(samples) == [CacheSource.KV, CacheSource.RAM, CacheSource.DISK]
    told, disk, own = samples[CacheSource.DISK], evicted.tier.sample([]), toy.sample([])
    assert own.entries > 1
    assert told.entries == disk.entries + own.entries
    assert told.tokens == disk.tokens + own.tokens
    assert told.size_bytes == evicted.tier.size_bytes + toy.size_bytes


def test_what_it_evicts_is_told_by_its_name(evicted: Disk, rig: Rig, toy: ToyTier) -> None:
    """A smaller budget empties it by the same rule; who asks again reads from where it was evicted."""
    before = evicted.cache.evicted["disk"]
    evicted.cache.limit(toy, 0, time.monotonic_ns())
    evicted.cache.check_integrity()
    assert (toy.size_bytes, evicted.cache.evicted["disk"] > before) == (0, True)
    again = looked_up(evicted, "again", [*PROMPT, 8, 9])
    served(rig, again)
    assert (again.lookup.reason, again.lookup.more["lost_tier"]) == (CacheReason.EVICTED, "toy")


def test_a_forgotten_prefix_leaves_it_too(evicted: Disk, toy: ToyTier) -> None:
    """What is dropped is dropped everywhere."""
    found = evicted.on_disk(tokens := sequence("x", PROMPT, 1).progress.array())
    assert found is not None
    assert toy.holds(found)
    evicted.cache.forget(found)
    evicted.cache.check_integrity()
    assert not toy.holds(found)
    assert evicted.on_disk(tokens) is None
