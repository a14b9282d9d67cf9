"""The writer's maintenance is due at once, then now and then, and again at once while there is more to do."""

from __future__ import annotations

import pytest

from telemetry.store.instances import BEAT_S, Instance, Lease
from telemetry.store.maintenance import Maintenance, Timer
from telemetry.store.retention import Pruner, Retention
from telemetry.store.rollups.compaction import Compactor


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A monotonic clock that stands still."""
    clock = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    return clock


def test_a_timer_is_due_at_once_and_then_every_so_often(now: list[float]) -> None:
    """A restart with more to do makes it due again at once."""
    timer = Timer(60.0)
    assert (timer.is_due(), timer.wait_s()) == (True, 0.0)
    timer.restart()
    assert (timer.is_due(), timer.wait_s()) == (False, 60.0)
    timer.restart(more=True)
    assert timer.is_due()
    timer.restart()
    now[0] += 60
    assert timer.is_due()


def test_all_maintenance_waits_by_a_timer(now: list[float]) -> None:
    """A lease is fresh when the gateway begins; all else may have been left undone."""
    kinds: list[Maintenance] = [Compactor(), Pruner(Retention()), Lease(Instance())]
    assert [kind.wait_s() for kind in kinds] == [0.0, 0.0, BEAT_S]
    now[0] += BEAT_S
    assert [kind.wait_s() for kind in kinds] == [0.0, 0.0, 0.0]
