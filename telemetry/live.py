"""The live sink: requests that run now and the state of every engine, for pages that follow along.

Held in memory, written and read on the gateway's event loop; readers wait for `changes()`, at most a few a
second. What requests do and what their engine does is one thing, reported by the engine request by request;
its heartbeat, once a second, has the rest. What is known of an engine ends with its process.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from telemetry.events import EngineSample, EngineState, EngineStatus, Phase
from telemetry.record import RequestRecord
from telemetry.recorder import NullSink

MIN_INTERVAL_S = 0.2
"""Changes closer together than this are reported as one."""

SILENT_S = 5.0
"""A heartbeat comes every second; `engine.heartbeat_timeout_s`
(10 s by default) ends an engine without one.
"""

BY_INPUT = "embeddings"
"""The operation whose slots are inputs of a batch, several of a
request among them: the engine alone counts those.
"""


@dataclass(frozen=True, slots=True)
class LiveEngine:
    """One engine: what its supervisor says, its last heartbeat
    and the last failure if there was one (`_ns`: monotonic).

    `sample` is None where no process is ready; `silent_s` is the heartbeat's age where it is late.
    """

    status: EngineStatus
    sample: EngineSample | None
    heard_ns: int | None = None
    last_error: str = ""
    failed_ns: int | None = None
    silent_s: float | None = None


class LiveView(Protocol):
    """The present moment, as pages may read it."""

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
        return [self._engine(name) for name in sorted(self._statuses)]

    def _engine(self, name: str) -> LiveEngine:
        now_ns, heard_ns, sample = self._clock_ns(), self._heard_ns.get(name), self._samples.get(name)
        at_work = [record for record in self._running.values() if record.engine == name]
        age_s = 0.0 if heard_ns is None else (now_ns - heard_ns) / 1e9
        last_error, failed_ns = self._errors.get(name, ("", None))
        return LiveEngine(
            self._statuses[name],
            None if sample is None else _present(sample, at_work, now_ns),
            heard_ns,
            last_error,
            failed_ns,
            age_s if age_s > SILENT_S else None,
        )

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
        if status.state is not EngineState.READY:
            self._samples.pop(status.model, None)
            self._heard_ns.pop(status.model, None)
        if status.state in (EngineState.RESTARTING, EngineState.FAILED):
            self._errors[status.model] = status.reason, self._clock_ns()
        self._wake()

    def engine_sample(self, sample: EngineSample) -> None:
        status = self._statuses.get(sample.model)
        if status is not None and status.state is EngineState.READY:  # one that is being stopped still speaks
            self._samples[sample.model], self._heard_ns[sample.model] = sample, self._clock_ns()
            self._wake()

    def _wake(self) -> None:
        for event in self._waiters:
            event.set()


def _present(sample: EngineSample, at_work: Iterable[RequestRecord], now_ns: int) -> EngineSample:
    """A heartbeat, with queue and slots as the engine has reported since: by the phases of its requests."""
    at_work = list(at_work)
    phases = Counter(record.current_phase for record in at_work)
    ages_ns = [now_ns - _queued_ns(record) for record in at_work if record.current_phase is Phase.QUEUE]
    queue = replace(sample, queue_depth=phases[Phase.QUEUE], queue_oldest_age_s=max([0, *ages_ns]) / 1e9)
    if any(record.operation == BY_INPUT for record in at_work):
        return queue
    slots = sample.slots_idle + sample.slots_prefill + sample.slots_decode
    prefill, decode = phases[Phase.PREFILL], phases[Phase.DECODE]
    return replace(
        queue, slots_prefill=prefill, slots_decode=decode, slots_idle=max(0, slots - prefill - decode)
    )


def _queued_ns(record: RequestRecord) -> int:
    """Since when a request waits: the end of what was done with it before."""
    return max((timing.end_ns for timing in record.phases), default=record.started_ns)
