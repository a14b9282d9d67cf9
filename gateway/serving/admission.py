"""Admission: a bounded queue per engine, and an honest answer about when to come back."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Sequence

from gateway.errors import EngineUnavailableError, QueueFullError
from gateway.serving.call import Call
from gateway.serving.choices import Choices, aside
from gateway.serving.handle import Handle
from gateway.serving.router import Target
from gateway.serving.work import Generate, Work
from telemetry.events import EngineState, Phase
from telemetry.record import RequestRecord
from telemetry.recorder import Recorder

REMEMBERED = 50
"""Durations of ended requests that the estimate of `Retry-After` averages over."""


class Admission:
    """Decides whether a request may wait for its engine, and hands it over. `max_queue` is per engine."""

    def __init__(self, recorder: Recorder, *, max_queue: int, load_wait_s: float) -> None:
        self._recorder = recorder
        self._max_queue = max_queue
        self._load_wait_s = load_wait_s
        self._waiting_for_load: Counter[str] = Counter()
        self._closed = False
        self._durations_s: deque[float] = deque(maxlen=REMEMBERED)

    async def submit_all(
        self, target: Target, record: RequestRecord, works: Sequence[Generate], prompts: int = 1
    ) -> Choices:
        """Send all that one request asks for: as many answers to each of its `prompts`. Only the first one's
        record is told of.

        Raises:
            QueueFullError, EngineUnavailableError: as `submit`; nothing of it is left then.
        """
        if len(works) == 1:
            return Choices([await self.submit(target, record, works[0])])
        self._check_room(target.handle, len(works))
        calls: list[Call] = []
        try:
            for work in works:
                calls.append(await self.submit(target, record if not calls else aside(record), work))
        except BaseException:
            for call in calls:
                call.cancel()
            raise
        return Choices(calls, prompts)

    async def submit(self, target: Target, record: RequestRecord, work: Work) -> Call:
        """Send a request to its handle, after its load if it is loading.

        Raises:
            QueueFullError: too many wait already.
            EngineUnavailableError: the engine is given up, does not come up in time, or we are shutting down.
        """
        handle = target.handle
        if self._closed:
            raise EngineUnavailableError("The gateway is shutting down.", retry_after_s=5)
        self._check_room(handle, 1)
        if handle.status.state is not EngineState.READY:
            await self._wait_for_load(handle, record)
        return handle.submit(record, work, target.adapter)

    def close(self) -> None:
        """Admit nothing more: the gateway is shutting down."""
        self._closed = True

    def ended(self, duration_s: float) -> None:
        """Remember how long a request took."""
        self._durations_s.append(duration_s)

    async def _wait_for_load(self, handle: Handle, record: RequestRecord) -> None:
        start_ns = self._recorder.clock_ns()
        self._recorder.phase(record, Phase.ADMIT, record.started_ns, start_ns)
        self._recorder.enter(record, Phase.MODEL_LOAD)
        self._waiting_for_load[handle.model] += 1
        try:
            await handle.wait_ready(self._load_wait_s)
        finally:
            self._waiting_for_load[handle.model] -= 1
            self._recorder.phase(record, Phase.MODEL_LOAD, start_ns, self._recorder.clock_ns())

    def _check_room(self, handle: Handle, calls: int) -> None:
        """Whether so many more may wait.

        Raises:
            QueueFullError: no.
        """
        if self._waiting(handle) + calls > handle.capacity.slots + self._max_queue:
            self._recorder.rejected(QueueFullError.default_code)
            raise self._queue_full(handle)

    def _waiting(self, handle: Handle) -> int:
        """Requests that it has, or will have once it is loaded."""
        return handle.capacity.in_flight + self._waiting_for_load[handle.model]

    def _queue_full(self, handle: Handle) -> QueueFullError:
        """`Retry-After`: the time until one waiting place is free; at least 1 s."""
        retry_s = max(1, math.ceil(self._place_free_s(handle)))
        message = (
            f"{self._waiting(handle)} requests are running or waiting for {handle.model!r}, which is the most"
            f" allowed (engine.slots + server.max_queue). Try again in {retry_s} s."
        )
        return QueueFullError(message, retry_after_s=retry_s)

    def _place_free_s(self, handle: Handle) -> float:
        """A place is free when the next waiting request starts: by its predicted TTFT, else by the mean of
        recent requests.
        """
        next_ms = handle.next_start_ms(self._recorder.clock_ns())
        if next_ms is not None:
            return next_ms / 1e3
        mean_s = sum(self._durations_s) / len(self._durations_s) if self._durations_s else 1.0
        return mean_s / handle.capacity.slots
