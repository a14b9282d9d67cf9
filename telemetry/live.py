"""The live sink: requests that run now and the state of every engine, for pages that follow along.

Held in memory, written and read on the gateway's event loop; readers wait for `changes()`, at most a few a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from telemetry.events import EngineSample, EngineStatus
from telemetry.record import RequestRecord
from telemetry.recorder import NullSink

MIN_INTERVAL_S = 0.2
"""Changes closer together than this are told as one."""


@dataclass(frozen=True, slots=True)
class LiveEngine:
    """One engine: what its supervisor says, and its last heartbeat if there was one."""

    status: EngineStatus
    sample: EngineSample | None


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

    def __init__(self) -> None:
        self._running: dict[int, RequestRecord] = {}
        self._statuses: dict[str, EngineStatus] = {}
        self._samples: dict[str, EngineSample] = {}
        self._waiters: set[asyncio.Event] = set()

    def running(self) -> list[RequestRecord]:
        return [self._running[seq] for seq in sorted(self._running)]

    def engines(self) -> list[LiveEngine]:
        return [LiveEngine(self._statuses[name], self._samples.get(name)) for name in sorted(self._statuses)]

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
        self._wake()

    def engine_sample(self, sample: EngineSample) -> None:
        self._samples[sample.model] = sample
        self._wake()

    def _wake(self) -> None:
        for event in self._waiters:
            event.set()
