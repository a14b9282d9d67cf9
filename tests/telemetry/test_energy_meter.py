"""The meter: every joule of a fake tree is a request's or idle, and what cannot be known stays unknown."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from telemetry.energy import meter as module
from telemetry.energy.meter import EnergyMeter
from telemetry.energy.sources import find
from telemetry.events import Phase, Status
from telemetry.record import RequestRecord
from telemetry.recorder import Ended, Recorder
from tests.telemetry.rapl_tree import RaplTree
from tests.telemetry.records import ManualClock, completed, open_record, recorder


class Bench:
    """A meter that reads when told, a fake tree, and a recorder on one manual clock."""

    def __init__(self, path: Path) -> None:
        self.clock = ManualClock()
        self.tree = RaplTree(path / "powercap")
        self.meter = EnergyMeter(partial(find, ["rapl"], self.tree.path), self.clock)
        self.meter.open()
        self.meter.read()
        self.recorder: Recorder = recorder(self.clock, self.meter)

    def begin(self) -> RequestRecord:
        """A request that is in prefill now."""
        record = open_record(self.recorder, self.clock)
        self.recorder.admit(record)
        self.recorder.phase(record, Phase.QUEUE, self.clock(), self.clock())
        self.recorder.enter(record, Phase.PREFILL)
        return record

    def end(self, record: RequestRecord) -> None:
        """Its last token is sampled now, and it ends."""
        queued = record.phase(Phase.QUEUE)
        assert queued is not None
        record.last_token_ns = self.clock()
        self.recorder.phase(record, Phase.PREFILL, queued.end_ns, self.clock())
        self.recorder.close(record, Ended(Status.OK, 200))

    def pass_time(self, milliseconds: float, watts: float = 50.0) -> None:
        """Time and energy go on, and are read."""
        self.clock.advance(milliseconds)
        self.tree.use(watts * milliseconds / 1e3)
        self.meter.read()

    @property
    def totals(self) -> dict[str, float]:
        return dict(self.meter.totals())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A meter that has read once."""
    return Bench(tmp_path)


def test_a_request_has_the_energy_of_its_active_time(bench: Bench) -> None:
    """Idle before and after is nobody's; while it runs it has nothing yet."""
    bench.pass_time(1000)
    record = bench.begin()
    bench.pass_time(1000)
    assert record.energy_j is None
    bench.end(record)
    bench.pass_time(1000)
    assert record.energy_j == pytest.approx(50.0, rel=0.01)
    assert sum(bench.totals.values()) == pytest.approx(150.0)
    assert bench.totals["active"] == pytest.approx(record.energy_j)


def test_two_at_once_share(bench: Bench) -> None:
    """Each has half of the time they run together, and the longer one all of its rest."""
    first, second = bench.begin(), bench.begin()
    bench.pass_time(1000)
    bench.end(first)
    bench.pass_time(1000)
    bench.end(second)
    bench.pass_time(1000)
    assert first.energy_j == pytest.approx(25.0, rel=0.01)
    assert second.energy_j == pytest.approx(75.0, rel=0.01)
    assert (first.energy_j or 0.0) + (second.energy_j or 0.0) == pytest.approx(bench.totals["active"])
    assert sum(bench.totals.values()) == pytest.approx(150.0, rel=0.01)


def test_a_request_that_no_engine_began_used_none(bench: Bench) -> None:
    """Refused at the door: 0 J, which is a figure."""
    record = open_record(bench.recorder, bench.clock)
    bench.recorder.close(record, Ended(Status.ERROR, 404, "model_not_found"))
    bench.pass_time(250)
    assert record.energy_j == 0.0


def test_a_reading_that_fails_is_made_up_by_the_next(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Counters go on counting: nothing is lost, and it is told once."""
    record = bench.begin()
    bench.pass_time(1000)
    shown = bench.tree.counter().read_text()
    bench.tree.counter().unlink()
    bench.clock.advance(500)
    bench.meter.read()
    bench.meter.read()
    bench.tree.counter().write_text(shown)
    bench.pass_time(500, watts=100.0)
    bench.end(record)
    bench.pass_time(250)
    assert record.energy_j == pytest.approx(100.0, rel=0.01)
    assert [line for line in caplog.messages if "energy cannot be read" in line] == caplog.messages[:1]


def test_a_gap_measures_nothing(bench: Bench) -> None:
    """After a pause too long for constant power, whoever was active in it has no figure, and later ones
    do.
    """
    record = bench.begin()
    bench.pass_time(module.MAX_GAP_S * 1000 + 1)
    bench.end(record)
    later = bench.begin()
    bench.pass_time(1000)
    bench.end(later)
    bench.pass_time(250)
    assert record.energy_j is None
    assert later.energy_j == pytest.approx(50.0, rel=0.01)
    assert sum(bench.totals.values()) == pytest.approx(62.5, rel=0.01)


def test_a_counter_that_was_set_back_is_no_energy(bench: Bench) -> None:
    """It reads like one that began again, with more power than any machine has."""
    bench.pass_time(1000)
    record = bench.begin()
    bench.tree.counter().write_text("0\n")
    bench.pass_time(1000)
    bench.end(record)
    bench.pass_time(1000)
    assert record.energy_j is None
    assert sum(bench.totals.values()) == pytest.approx(100.0, rel=0.01)


def test_a_request_older_than_the_first_reading_is_not_measured(tmp_path: Path) -> None:
    """Part of its energy was never read."""
    clock = ManualClock()
    tree = RaplTree(tmp_path / "powercap")
    meter = EnergyMeter(partial(find, ["rapl"], tree.path), clock)
    record = completed(clock, meter)
    meter.open()
    meter.read()
    assert record.energy_j is None
    assert dict(meter.totals()) == {"active": 0.0, "idle": 0.0}


def test_without_a_source_nothing_is_measured(tmp_path: Path) -> None:
    """No figure, no total, no thread that goes on, and the reason."""
    clock = ManualClock()
    meter = EnergyMeter(partial(find, ["rapl"], tmp_path / "gone"), clock)
    meter.start()
    meter._thread.join(30)
    assert not meter._thread.is_alive()
    record = completed(clock, meter)
    meter.wait_until(clock())
    assert record.energy_j is None
    assert dict(meter.totals()) == {}
    assert meter.report.sources == ()
    assert str(tmp_path / "gone") in meter.report.words


def test_memory_is_bounded_while_nothing_can_be_read(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that wait for a reading that never comes do not pile up."""
    monkeypatch.setattr(module, "MAX_RECORDS", 3)
    bench.tree.counter().unlink()
    for _ in range(10):
        bench.recorder.close(open_record(bench.recorder, bench.clock), Ended(Status.OK, 200))
    assert len(bench.meter._records) == 3


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[EnergyMeter, RaplTree]]:
    """A meter on its own thread, which would read once an hour."""
    tree = RaplTree(tmp_path / "powercap")
    meter = EnergyMeter(partial(find, ["rapl"], tree.path), every_s=3600)
    meter.start()
    yield meter, tree
    meter.stop()
    meter._thread.join(30)
    assert not meter._thread.is_alive()


def test_settling_reads_at_once(running: tuple[EnergyMeter, RaplTree]) -> None:
    """Whoever needs the energy up to now does not wait for the next turn."""
    meter, _ = running
    for _ in range(200):
        if meter._read_ns is not None:
            break
        threading.Event().wait(0.05)
    now_ns = meter._clock_ns()
    meter.wait_until(now_ns)
    assert (meter._read_ns or 0) >= now_ns


def test_a_counter_that_hangs_costs_little(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settling gives up after its patience; while readings fail it does not wait at all."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    bench.meter.wait_until(bench.clock.now_ns + 10**9)  # nobody reads: the thread was never started
    bench.tree.counter().unlink()
    bench.meter.read()
    monkeypatch.setattr(module, "PATIENCE_S", 3600.0)
    bench.meter.wait_until(bench.clock.now_ns + 10**9)
