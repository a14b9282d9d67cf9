"""The disk tier: which entry has which file; no file is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.cache.entry import Entry, State
from gateway.engine.cache.tiers.disk import DiskTier
from telemetry.events import CacheSource, TierSample
from tests.engine.cache.caches import prompt, state

A, B = Path("a.kv"), Path("b.kv")


@pytest.fixture
def tier() -> DiskTier:
    return DiskTier(10**6)


@pytest.fixture
def entries() -> list[Entry]:
    return [Entry(prompt(number), stored_tokens=10) for number in range(4)]


def test_a_file_is_one_entrys(tier: DiskTier, entries: list[Entry]) -> None:
    """Given to another, it is told whose it was; the other's file before goes."""
    first, second, *_ = entries
    assert tier.give(first, A, 100) is None
    assert tier.give(second, B, 70) is None
    assert tier.give(second, A, 110) is first
    assert (tier.holds(first), tier.path(second), tier.size(second), tier.size_bytes) == (False, A, 110, 110)
    assert tier.unwanted() == [B]


def test_a_file_that_is_written_again_stays_its_entrys(tier: DiskTier, entries: list[Entry]) -> None:
    """Nobody had it before, and it is not removed."""
    tier.give(entries[0], A, 100)
    assert tier.give(entries[0], A, 120) is None
    assert (tier.size_bytes, tier.unwanted()) == (120, [])


def test_a_file_goes_to_a_successor_as_it_is(tier: DiskTier, entries: list[Entry]) -> None:
    """Nothing is written again, and nothing removed."""
    tier.give(entries[0], A, 100)
    tier.hand_over(entries[0], entries[1])
    assert (tier.path(entries[0]), tier.path(entries[1]), tier.unwanted()) == (None, A, [])


def test_files_that_nobody_wants_are_told_once(tier: DiskTier, entries: list[Entry]) -> None:
    """Dropped, evicted, or refused after they were written, though they have replaced somebody's."""
    for entry, name in zip(entries, "abcd", strict=True):
        tier.give(entry, Path(name), 10)
    tier.drop(entries[0])
    tier.drop(entries[0])
    tier.evict(entries[1])
    assert tier.refuse(Path("c")) is entries[2]
    assert tier.refuse(Path("e")) is None
    assert (sorted(map(str, tier.unwanted())), tier.unwanted()) == (["a", "b", "c", "e"], [])
    assert [entry.too_poor for entry in entries] == [False, True, False, False]


def test_a_state_is_read_by_the_thread_alone(tier: DiskTier, entries: list[Entry]) -> None:
    """Nothing is there at once; whoever reads leaves a job."""
    tier.give(entries[0], A, 100)
    read: list[State | None] = []
    tier.read(entries[0], read.append)
    assert (tier.state(entries[0]), tier.hold(entries[1], state()), read) == (None, False, [])
    entry, then = tier.jobs.get_nowait()
    then(None)
    assert (entry, read) == (entries[0], [None])


def test_turned_off_it_has_nothing_and_removes_nothing(tier: DiskTier, entries: list[Entry]) -> None:
    """Files stay where they are; who had one is told."""
    tier.give(entries[0], A, 100)
    tier.give(entries[1], B, 100)
    tier.drop(entries[1])
    assert tier.turn_off("full") == [entries[0]]
    assert (tier.budget_bytes, tier.size_bytes, tier.off, tier.unwanted()) == (0, 0, "full", [])


KINDS = st.sampled_from(["give", "drop", "refuse"])
EVENTS = st.tuples(KINDS, st.integers(0, 3), st.integers(0, 2), st.integers(1, 9))


@given(st.lists(EVENTS))
def test_files_and_owners_agree(events: list[tuple[str, int, int, int]]) -> None:
    """Whatever is written, dropped and refused, in any order."""
    tier = DiskTier(10**6)
    entries = [Entry(prompt(number), stored_tokens=10) for number in range(4)]
    owners: dict[int, tuple[int, int]] = {}
    for event, number, file, size_bytes in events:
        if event == "give":
            tier.give(entries[number], Path(str(file)), size_bytes)
        elif event == "drop":
            tier.drop(entries[number])
        else:
            tier.refuse(Path(str(file)))
        owners = {name: had for name, had in owners.items() if not _is_gone(event, name, had, number, file)}
        if event == "give":
            owners[file] = (number, size_bytes)
        tier.check_integrity(entries)
    sizes = [size_bytes for _, size_bytes in owners.values()]
    assert tier.sample(entries) == TierSample(CacheSource.DISK, len(sizes), sum(sizes), 10 * len(sizes))


def _is_gone(event: str, name: int, had: tuple[int, int], number: int, file: int) -> bool:
    """Whether a file is no longer its owner's: replaced, dropped, or its owner has another one."""
    return (name == file and event != "drop") or (had[0] == number and event != "refuse")


@pytest.mark.parametrize("known", [False, True])
def test_what_cannot_be_is_found(tier: DiskTier, entries: list[Entry], known: bool) -> None:
    """A file of an entry that nobody knows, and bytes that are miscounted."""
    tier.give(entries[0], A, 100)
    tier.check_integrity(entries)
    tier.size_bytes += known
    with pytest.raises(AssertionError):
        tier.check_integrity(entries if known else entries[1:])
