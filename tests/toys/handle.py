"""A toy handle: it answers with the words of the last message, one by one, and then backwards."""

from __future__ import annotations

import asyncio
import itertools
import time

from gateway.errors import EngineUnavailableError, InvalidRequestError
from gateway.serving.call import Call
from gateway.serving.handle import Capacity, Description
from gateway.serving.work import Accepted, Done, Generate, Prefilling, Progress, Work
from gateway.settings.load import Settings
from telemetry.events import (
    CacheOutcome,
    CacheReason,
    CacheSource,
    EngineState,
    EngineStatus,
    Phase,
    PhaseTiming,
)
from telemetry.record import RequestRecord
from telemetry.recorder import Recorder

MODEL = "parrot"
NOTHING_CACHED = CacheOutcome(0, CacheSource.NONE, CacheReason.DISABLED)


class Parrot:
    """Repeats what it hears."""

    model = MODEL
    provider = "toy"
    adapters = ()

    def __init__(self, recorder: Recorder) -> None:
        self.status = EngineStatus(MODEL, EngineState.STARTING, "is starting")
        self.description: Description | None = None
        self._recorder = recorder
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def capacity(self) -> Capacity:
        return Capacity(2, len(self._tasks))

    @property
    def awaiting(self) -> int:
        return 0

    def next_start_ms(self, now_ns: int) -> float | None:
        return None

    def start(self) -> None:
        self.description = Description()
        self._announce(EngineState.READY)

    async def stop(self, deadline_s: float) -> None:
        self._announce(EngineState.STOPPED)

    async def wait_ready(self, timeout_s: float) -> None:
        if self.description is None:
            raise self.unavailable()

    def unavailable(self) -> EngineUnavailableError:
        return EngineUnavailableError("The parrot sleeps.")

    def submit(self, record: RequestRecord, work: Work, adapter: str = "") -> Call:
        if not isinstance(work, Generate):
            raise InvalidRequestError("A parrot speaks.", param="model")
        call = Call(record, self._recorder, lambda _id: None)
        task = asyncio.create_task(self._speak(call, str(work.messages[-1]["content"]).split()))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return call

    def _announce(self, state: EngineState) -> None:
        self.status = EngineStatus(MODEL, state)
        self._recorder.engine_status(self.status)

    async def _speak(self, call: Call, words: list[str]) -> None:
        begun = time.monotonic_ns()
        phases = [PhaseTiming(phase, begun, begun) for phase in (Phase.RENDER, Phase.TOKENIZE)]
        call.take(Accepted(prompt_tokens=len(words), phases=phases))
        looked = [PhaseTiming(phase, begun, begun) for phase in (Phase.CACHE_LOOKUP, Phase.QUEUE)]
        call.take(Prefilling(phases=looked, cache=NOTHING_CACHED))
        stamps = []
        for count, word in enumerate(words, 1):
            await asyncio.sleep(0.002)
            stamps.append(time.monotonic_ns())
            call.take(Progress(f"{word} ", count, len(words), stamps[-1]))
        first, last = stamps[0], stamps[-1]
        spoken = [PhaseTiming(Phase.PREFILL, begun, first), PhaseTiming(Phase.DECODE, first, last)]
        gaps_us = [(later - earlier) // 1000 for earlier, later in itertools.pairwise(stamps)]
        call.take(
            Done(
                finish_reason="stop",
                text=" ".join(reversed(words)),
                completion_tokens=len(words),
                first_token_ns=first,
                last_token_ns=last,
                gaps_us=gaps_us,
                phases=spoken,
            )
        )


class Parrots:
    """One parrot."""

    models = (MODEL,)

    def __init__(self, _settings: Settings) -> None:
        pass

    def handles(self, recorder: Recorder) -> list[Parrot]:
        return [Parrot(recorder)]
