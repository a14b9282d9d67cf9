"""The live sink: requests that run now and the state of every engine, for pages that follow along.

Held in memory, written and read on the gateway's event loop; readers wait for `changes()`, at most a few a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from telemetry.events import EngineSample, EngineState, EngineStatus
from telemetry.record import RequestRecord
from telemetry.recorder import NullSink

MIN_INTERVAL_S = 0.2
"""Changes closer together than this are told as one."""


@dataclass(frozen=True, slots=True)
class LiveEngine:
    """One engine: what its supervisor says, its last heartbeat and the last failure if there was one (`_ns`: monotonic)."""

    status: EngineStatus
    sample: EngineSample | None
    heard_ns: int | None = None
    last_error: str = ""
    failed_ns: int | None = None


class LiveView(Protocol):
    """What a page may read of the present moment."""

    def running(self) -> list[RequestRecord]:
        """Requests that have not ended, oldest first."""

    def engines(self) -> list[LiveEngine]:
        """Every engine that is configured, by model name."""

    def changes(self) -> AsyncIterator[None]:
        """Yields once at the start and then after each change, coalesced to `MIN_INTERVAL_S`."""


class LiveSink(NullSink):
    """Keeps running requests and engine states, and wakes whoever follows them."""

    def __init__(self, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock_ns = clock_ns
        self._heard_ns: dict[str, int] = {}
        self._errors: dict[str, tuple[str, int]] = {}
        self._running: dict[int, RequestRecord] = {}
        self._statuses: dict[str, EngineStatus] = {}
        self._samples: dict[str, EngineSample] = {}
        self._waiters: set[asyncio.Event] = set()

    def running(self) -> list[RequestRecord]:
        return [self._running[seq] for seq in sorted(self._running)]

    def engines(self) -> list[LiveEngine]:
        return [
            LiveEngine(self._statuses[name], self._samples.get(name), self._heard_ns.get(name), *self._errors.get(name, ("", None)))
            for name in sorted(self._statuses)
        ]

    async def changes(self) -> AsyncIterator[None]:
        event = asyncio.Event()
        self._waiters.add(event)
        try:
            while True:
                yield
                await asyncio.sleep(MIN_INTERVAL_S)
                await event.wait()
                event.clear()
        finally:
            self._waiters.discard(event)

    def admitted(self, record: RequestRecord) -> None:
        self._running[record.seq] = record
        self._wake()

    def changed(self, record: RequestRecord) -> None:  # noqa: ARG002 - the records are read by the pages
        self._wake()

    def completed(self, record: RequestRecord) -> None:
        self._running.pop(record.seq, None)
        self._wake()

    def engine_status(self, status: EngineStatus) -> None:
        self._statuses[status.model] = status
        if status.state in (EngineState.RESTARTING, EngineState.FAILED):
            self._errors[status.model] = status.reason, self._clock_ns()
        self._wake()

    def engine_sample(self, sample: EngineSample) -> None:
        self._samples[sample.model], self._heard_ns[sample.model] = sample, self._clock_ns()
        self._wake()

    def _wake(self) -> None:
        for event in self._waiters:
            event.set()
