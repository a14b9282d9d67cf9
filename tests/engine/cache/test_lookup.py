"""The lookup of a new request: when a hit is on disk, reading it is its own time, and waiting for a slot
the queue's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.engine.cache.disk import thread
from gateway.engine.cache.disk.file import DiskKey, read_file
from gateway.engine.cache.entry import State
from telemetry.events import CacheReason, CacheSource, Phase
from tests.engine.cache.caches import Disk
from tests.engine.cache.serving import a_rig_on, looked_up, served, turn
from tests.engine.fakes import sequence

Disks = Callable[..., Disk]
PROMPT = [7] * 100
READ_S = 0.02


@pytest.fixture
def slow_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk takes its time."""

    def slowly(path: Path, key: DiskKey) -> State:
        time.sleep(READ_S)
        return read_file(path, key)

    monkeypatch.setattr(thread, "read_file", slowly)


@pytest.fixture
def stored(disks: Disks) -> Disk:
    """A tier that has the prompt on disk, and not in RAM."""
    before = disks()
    rig = a_rig_on(before)
    served(rig, looked_up(before, "before", PROMPT))
    while rig.placement.save_one_idle():
        continue
    before.flush()
    return disks()


@pytest.mark.usefixtures("slow_reads")
def test_the_wait_for_a_slot_is_not_the_disks(stored: Disk) -> None:
    """The file is read, the request waits for a slot, its state is copied: one phase after the other, none
    of them twice.
    """
    rig = a_rig_on(stored)
    holder = sequence("holder", [3] * 40, 30)
    rig.scheduler.add(holder)
    turn(rig)
    one = looked_up(stored, "one", [*PROMPT, 8, 9])
    delivered_ns = time.monotonic_ns()
    rig.scheduler.add(one)
    for _ in range(3):
        time.sleep(READ_S)
        turn(rig)
    while rig.scheduler.waiting:
        turn(rig)
    placed_ns = time.monotonic_ns()
    while "one" not in rig.finished:
        turn(rig)
    started = next(started for started in rig.scheduler.started if started.id == "one")
    lookup, read, copied, queue = started.timings
    assert [read.phase, copied.phase, queue.phase] == [Phase.CACHE_RESTORE, Phase.CACHE_RESTORE, Phase.QUEUE]
    assert (read.attributes["source"], copied.attributes["source"]) == ("disk", "ram")
    assert read.attributes["bytes"] == copied.attributes["bytes"] == len(PROMPT) * 4 + 8
    assert lookup.end_ns == read.start_ns < read.end_ns == queue.start_ns <= delivered_ns
    assert queue.start_ns < queue.end_ns == copied.start_ns <= copied.end_ns <= placed_ns
    assert queue.end_ns - queue.start_ns >= 3 * READ_S * 1e9
    assert one.lookup.source is CacheSource.DISK
    blamed = {delay.cause.value: delay.total_ns for delay in rig.finished["holder"].delayed_by}
    assert "restore" not in blamed, "it was not there any more when the state was copied"


@pytest.mark.usefixtures("slow_reads")
def test_those_who_run_are_held_up_by_the_copy_only(stored: Disk) -> None:
    """While the disk was read they went on."""
    rig = a_rig_on(stored, slots=2)
    rig.scheduler.add(sequence("stream", [3] * 40, 200))
    turn(rig)
    one = looked_up(stored, "one", [*PROMPT, 8, 9])
    served(rig, one)
    while "stream" not in rig.finished:
        turn(rig)
    restores = [
        delay.total_ns for delay in rig.finished["stream"].delayed_by if delay.cause.value == "restore"
    ]
    assert one.stamps.copied_ns is not None
    assert sum(restores) <= one.stamps.copied_ns[1] - one.stamps.copied_ns[0]


def test_a_file_that_is_of_no_use_is_no_hit(stored: Disk) -> None:
    """It was damaged: the time it took is told, the prompt is computed, and nothing came from disk."""
    [path] = stored.files()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    one = looked_up(stored, "one", [*PROMPT, 8, 9])
    phases = served(a_rig_on(stored), one)
    assert (one.lookup.matched, one.lookup.source) == (0, CacheSource.NONE)
    assert len(phases[Phase.CACHE_RESTORE]) == 1
    assert one.lookup.reason is CacheReason.EVICTED


def test_a_tier_that_is_off_keeps_nobody_waiting(stored: Disk) -> None:
    """Requests go on at once, and compute."""
    stored.thread.turn_off("the disk is full")
    one = looked_up(stored, "one", [*PROMPT, 8, 9])
    assert one.lookup.read_ns is None
    assert Phase.CACHE_RESTORE not in served(a_rig_on(stored), one)


def test_what_is_found_is_decided_with_the_slot(disks: Disks) -> None:
    """A request that leaves the queue has no reason, above all not that the cache was off: what it would
    have got was not decided.
    """
    one = disks()
    waiting = looked_up(one, "waiting", PROMPT)
    (lookup, *_) = waiting.finished("cancelled", time.monotonic_ns()).timings
    assert lookup.phase == Phase.CACHE_LOOKUP
    assert not {"reason", "matched", "source"} & set(lookup.attributes)
    rig = a_rig_on(one)
    served(rig, waiting)
    (lookup, *_) = rig.scheduler.started[0].timings
    assert (lookup.attributes["reason"], lookup.attributes["matched"]) == (CacheReason.NEW_CONVERSATION, 0)
