"""Figures that are read now and then: a source that fails, or hangs, costs its own figures only."""

from __future__ import annotations

import threading

import pytest

from telemetry.metrics.outlets import Outlets
from telemetry.metrics.sink import MetricsSink
from telemetry.metrics.sources import DiskRoom, DiskSource, StoreSource
from telemetry.polled import EVERY_S, PATIENCE_S, Polled, PollError
from tests.telemetry.metric_values import FakeStore, value
from tests.telemetry.records import MODEL


class Broken:
    """A source that fails."""

    name = "broken"
    instruments = ()

    def collect(self, _out: Outlets) -> None:
        raise OSError(5, "Input/output error")


def test_a_source_that_fails_breaks_nothing() -> None:
    """The others are read, the page is there, and each failure is counted under the source's name."""
    store = StoreSource(FakeStore())
    metrics = MetricsSink(lambda: {MODEL}, sources=[Broken(), store])
    for _ in range(2):
        assert metrics.render("")[0]
    assert value(metrics, "firsttoken_telemetry_source_failures_total", source="broken") == 2
    assert value(metrics, "firsttoken_store_dropped_total") == 2


def test_a_file_system_that_hangs_holds_nobody_up() -> None:
    """The page is there at once, without figures of the disk; after a while each reading counts as failed;
    one thread waits.
    """
    hung, now = threading.Event(), [0.0]
    begun: list[float] = []

    def read() -> DiskRoom:
        begun.append(now[0])
        hung.wait(60)
        return DiskRoom(1, 2, 3)

    room = Polled(read, lambda: now[0])
    metrics = MetricsSink(lambda: {MODEL}, sources=[DiskSource(room)])
    metrics.render("")
    assert value(metrics, "system_filesystem_usage_bytes") is None
    assert value(metrics, "firsttoken_telemetry_source_failures_total") == 0
    now[0] = PATIENCE_S + 1
    metrics.render("")
    assert value(metrics, "firsttoken_telemetry_source_failures_total", source="disk") == 1
    assert room.newest_or_none() is None
    assert begun == [0.0]
    hung.set()
    room.join(60)
    metrics.render("")
    assert value(metrics, "system_filesystem_usage_bytes", system_filesystem_state="free") == 2


def test_a_file_system_that_fails_comes_back() -> None:
    """An error is told until there is a reading again."""
    now, broken = [0.0], [True]

    def read() -> DiskRoom:
        if broken[0]:
            raise OSError(116, "Stale file handle")
        return DiskRoom(1, 2, 3)

    room = Polled(read, lambda: now[0])
    assert room.newest() is None
    room.join(60)
    with pytest.raises(PollError, match="Stale file handle"):
        room.newest()
    now[0], broken[0] = EVERY_S + 1, False
    with pytest.raises(PollError, match="Stale file handle"):
        room.newest()
    room.join(60)
    assert room.newest() == DiskRoom(1, 2, 3)
