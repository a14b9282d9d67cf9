"""When a refused request should come back: when the next waiting one is predicted to start."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.engine.options import EngineOptions
from gateway.errors import QueueFullError
from gateway.serving.admission import Admission
from gateway.serving.local.handle import EngineHandle
from gateway.serving.router import Target
from gateway.serving.work import Accepted, Generate
from telemetry.events import EngineState, Phase, PhaseTiming
from telemetry.record import RequestRecord
from tests.telemetry.records import ManualClock, open_record, recorder


class Queue:
    """An engine with one slot and two waiting places, whose words the test says."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.recorder = recorder(self.clock)
        options = EngineOptions(model="tiny", path="", digest_cache="", slots=1)
        self.handle = EngineHandle(options, self.recorder, folder / "engine.log")
        self.handle.process = cast("Any", SimpleNamespace(send=lambda _message: None, pid=1))
        self.handle.announce(EngineState.READY)
        self.admission = Admission(self.recorder, max_queue=2, load_wait_s=0)

    async def submit(self, predicted_ms: float | None = None) -> RequestRecord:
        """One more request, taken by the engine with this prediction; None: it has not answered yet."""
        record = open_record(self.recorder, self.clock)
        call = await self.admission.submit(Target(self.handle), record, Generate(model="tiny", messages=[]))
        if predicted_ms is not None:
            now_ns = self.clock()
            lookup = PhaseTiming(Phase.CACHE_LOOKUP, now_ns, now_ns)
            call.take(Accepted(prompt_tokens=9, predicted_ttft_ms=predicted_ms, phases=[lookup]))
        return record

    async def refused(self) -> int | None:
        """`Retry-After` of a request that finds the queue full."""
        with pytest.raises(QueueFullError) as error:
            await self.submit()
        return error.value.retry_after_s


def test_the_earliest_predicted_start_counts(tmp_path: Path) -> None:
    """The prediction shrinks as time passes, those that have begun do not count, and a second is the
    least.
    """

    async def main() -> None:
        queue = Queue(tmp_path)
        running = await queue.submit(50)
        running.first_token_ns = queue.clock()
        await queue.submit(9_400)
        await queue.submit(30_000)
        assert await queue.refused() == 10
        queue.clock.advance(4_000)
        assert await queue.refused() == 6
        queue.clock.advance(60_000)
        assert await queue.refused() == 1

    asyncio.run(main())


def test_without_predictions_the_mean_counts(tmp_path: Path) -> None:
    """An engine that has not answered yet predicts nothing: the mean of recent requests stands in."""

    async def main() -> None:
        queue = Queue(tmp_path)
        for _ in range(3):
            await queue.submit()
        queue.admission.ended(3.5)
        assert await queue.refused() == 4

    asyncio.run(main())
