"""The metric of how long those who wait have still to wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from gateway.serving.predicted_wait import PredictedWait
from telemetry.events import EngineState, EngineStatus
from telemetry.metrics import instruments as metric
from tests.telemetry.backends import both
from tests.telemetry.records import MODEL


@dataclass
class Handle:
    """Of an engine, what the source asks for."""

    awaiting: int
    next_ms: float | None
    state: EngineState = EngineState.READY
    model: str = MODEL

    @property
    def status(self) -> EngineStatus:
        return EngineStatus(self.model, self.state)

    def next_start_ms(self, now_ns: int) -> float | None:
        return self.next_ms if now_ns else None


@pytest.mark.parametrize(
    ("handle", "seconds"),
    [
        (Handle(3, 1500.0), 1.5),
        (Handle(3, -200.0), 0.0),
        (Handle(0, None), 0.0),
        (Handle(3, None), None),
        (Handle(3, 1500.0, EngineState.RESTARTING), None),
    ],
)
def test_the_wait_is_told_where_it_is_known(handle: Handle, seconds: float | None) -> None:
    """0 while nobody waits; nothing where nobody predicted it, or where the engine is not ready any more."""
    with both() as found:
        found.sink.add_source(PredictedWait(lambda: [cast("Any", Handle(1, 9000.0))]))
        assert found.series(metric.PREDICTED_WAIT) == {(MODEL,): 9.0}
        found.sink.add_source(PredictedWait(lambda: [cast("Any", handle)]))
        assert found.series(metric.PREDICTED_WAIT) == ({} if seconds is None else {(MODEL,): seconds})
