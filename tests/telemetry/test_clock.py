"""The anchor between the clocks: steady while they go together, taken anew when they do not."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import pytest

from telemetry.clock import JUMP_NS, ClockAnchor, WallClock, asleep_ns
from telemetry.context_buckets import ContextBuckets
from telemetry.events import Status
from telemetry.record import RequestRecord
from telemetry.recorder import Ended, Recorder
from telemetry.store.rollups.rollup import roll_up
from telemetry.store.rows import request_row
from telemetry.store.seq import moment_of
from tests.telemetry.records import EPOCH_NS, MODEL, ManualClock, open_record

HOUR_NS = 3600 * 10**9


@dataclass
class Machine:
    """Three clocks in the test's hands."""

    wall_ns: int = EPOCH_NS
    monotonic_ns: int = 5 * 10**9
    slept_ns: int = 0

    def run(self, ns: int) -> None:
        self.wall_ns += ns
        self.monotonic_ns += ns

    def sleep(self, ns: int) -> None:
        self.wall_ns += ns
        self.slept_ns += ns

    def clock(self, boot: bool = True) -> WallClock:
        return WallClock(
            lambda: ClockAnchor(self.wall_ns, self.monotonic_ns), lambda: self.slept_ns if boot else None
        )


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_clocks_that_go_together(machine: Machine) -> None:
    """The anchor stays, over a day, and over less than a jump."""
    clock = machine.clock()
    anchor = clock.anchor
    machine.run(24 * HOUR_NS)
    machine.wall_ns += JUMP_NS
    assert clock.look() is anchor
    assert clock.is_steady(1e9)


@pytest.mark.parametrize(
    ("slept", "boot", "why"),
    [(True, True, "the machine slept"), (False, True, "the clock was set"), (True, False, "was set")],
)
def test_a_jump_is_told(
    machine: Machine, caplog: pytest.LogCaptureFixture, slept: bool, boot: bool, why: str
) -> None:
    """A suspend of 8 hours and a clock that is set by as much make a new anchor, are told once, and told
    apart where the machine has a clock for that.
    """
    caplog.set_level(logging.WARNING, "telemetry.clock")
    clock = machine.clock(boot)
    machine.run(HOUR_NS)
    if slept:
        machine.sleep(8 * HOUR_NS)
    else:
        machine.wall_ns += 8 * HOUR_NS
    assert clock.look() == clock.look() == ClockAnchor(machine.wall_ns, machine.monotonic_ns)
    (line,) = caplog.messages
    assert "+28800.0 s" in line
    assert why in line
    assert not clock.is_steady(600)
    machine.run(600 * 10**9)
    assert clock.is_steady(600)


def test_every_time_follows_the_clock(machine: Machine) -> None:
    """After a suspend `started_at`, `seq` and the roll-up's minute of a new request are those of the wall
    clock; one that runs across it keeps its own, so that they add up.
    """
    monotonic = ManualClock()
    monotonic.now_ns = machine.monotonic_ns
    recorder = Recorder([], ContextBuckets(), machine.clock(), monotonic)
    across = open_record(recorder, monotonic)
    machine.run(monotonic.now_ns - machine.monotonic_ns)
    machine.sleep(8 * HOUR_NS)
    after = open_record(recorder, monotonic)
    for record in (across, after):
        recorder.close(record, Ended(Status.OK, 200))
    assert _minutes(after) == [(EPOCH_NS + 8 * HOUR_NS) // (60 * 10**9)]
    assert abs(request_row(after)["started_at"].timestamp() - machine.wall_ns / 1e9) < 0.01
    assert abs(moment_of(after.seq).timestamp() - machine.wall_ns / 1e9) < 0.01
    assert _minutes(across) == [EPOCH_NS // (60 * 10**9)]


def _minutes(record: RequestRecord) -> list[int]:
    return [minute for minute, _ in roll_up([record], frozenset({MODEL}), {})]


def test_seq_grows_also_when_the_clock_is_set_back(machine: Machine) -> None:
    """Their times are the true ones, the order is that of admission, and none comes twice."""
    monotonic = ManualClock()
    recorder = Recorder([], ContextBuckets(), machine.clock(), monotonic)
    records = [open_record(recorder, monotonic)]
    machine.wall_ns -= HOUR_NS
    records += [open_record(recorder, monotonic) for _ in range(2000)]
    machine.wall_ns += 2 * HOUR_NS
    records.append(open_record(recorder, monotonic))
    seqs = [record.seq for record in records]
    assert seqs == sorted(set(seqs))
    starts = [request_row(record)["started_at"].timestamp() for record in records]
    assert starts[1] < starts[0] - 3000
    assert starts[-1] > starts[0] + 3000


def test_the_machines_own_clocks() -> None:
    """Taken here, they agree, and how long this machine has slept is a fact or not known."""
    clock = WallClock()
    assert clock.look() is clock.anchor
    assert (asleep_ns() or 0) >= -JUMP_NS
