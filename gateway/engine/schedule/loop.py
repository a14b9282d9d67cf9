"""The decode loop: drives the scheduler and the backend on one thread, and says what came of it.

Nothing of telemetry happens here but stamping and counting; samples leave with the heartbeat.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Mapping, Sized
from typing import Protocol

from gateway.engine.backend import Backend, BackendError, Batch, StepResult
from gateway.engine.outbox import Outbox
from gateway.engine.protocol import Message
from gateway.engine.schedule.scheduler import Scheduler, StepOutcome
from gateway.engine.sequence.sequence import Sequence
from gateway.engine.speculative.draft_model import DraftModel
from gateway.engine.threads.control import ThreadControl
from telemetry.events import StepSample

log = logging.getLogger(__name__)

MAX_SAMPLES = 10_000
"""Step samples kept between heartbeats; a gateway that is away for longer loses the oldest."""

TRACED_EVERY = 100
"""One step in this many says whose it was, and becomes a trace: about one a second."""


IDLE_S = 0.2
"""After this long without work, ended sequences are copied out of the KV: their next turn may come after
others'.
"""


class Send(Protocol):
    """The way to the gateway."""

    def __call__(self, *messages: Message) -> None:
        """Send these messages together."""


class DecodeLoop:
    """Owns scheduler and backend; other threads reach it through `deliver` and `cancel` only."""

    def __init__(
        self,
        scheduler: Scheduler,
        backend: Backend,
        send: Send,
        threads: ThreadControl,
        draft_model: DraftModel | None = None,
    ) -> None:
        self.scheduler = scheduler
        self.threads = threads
        self.samples: deque[StepSample] = deque(maxlen=MAX_SAMPLES)
        self.step_started_ns: int | None = None
        self._steps = 0
        self._backend = backend
        self._draft_model = draft_model
        self._send = send
        self._outbox = Outbox()
        self._inbox: queue.SimpleQueue[Sequence | str | threading.Event] = queue.SimpleQueue()

    def deliver(self, sequence: Sequence) -> None:
        """Hand over a sequence that is ready to run."""
        self._inbox.put(sequence)

    def cancel(self, request_id: str) -> None:
        """Ask for a request to be dropped before the next step."""
        self._inbox.put(request_id)

    def abort(self) -> None:
        """Give up what is computed now, if it can be. Called from another thread."""
        self._backend.abort()
        if self._draft_model is not None:
            self._draft_model.backend.abort()

    def save_all(self, timeout_s: float) -> bool:
        """Ask the thread to copy what only the KV has into RAM, and wait for it: the engine will stop."""
        done = threading.Event()
        self._inbox.put(done)
        return done.wait(timeout_s)

    def run(self) -> None:
        """The thread: for ever."""
        while True:
            self.turn()

    def turn(self) -> None:
        """Take in what arrived (waiting for it when idle), then compute one batch."""
        self._receive()
        batch = self.scheduler.plan(time.monotonic_ns())
        if self.scheduler.started:
            self._send(*self.scheduler.started)
            self.scheduler.started.clear()
        if batch.parts:
            self._step(batch)

    def _receive(self) -> None:
        """Take in what has arrived; when there is nothing to compute, wait for it, and save ended sequences
        meanwhile.
        """
        try:
            while True:
                self._handle(self._inbox.get_nowait())
        except queue.Empty:
            if not self.scheduler.idle:
                return
        try:
            self._handle(self._inbox.get(timeout=IDLE_S))
        except queue.Empty:
            while self._inbox.empty() and self.scheduler.placement.save_one_idle():
                continue
            if self._inbox.empty():
                self._handle(self._inbox.get())

    def _handle(self, arrived: Sequence | str | threading.Event) -> None:
        if isinstance(arrived, Sequence):
            self._outbox.expect(arrived.id, streamed=arrived.request.streamed)
            self.scheduler.add(arrived)
        elif isinstance(arrived, str):
            now_ns = time.monotonic_ns()
            self._publish(self.scheduler.cancel(arrived, now_ns), now_ns)
        else:
            while self.scheduler.placement.save_one_idle():
                continue
            arrived.set()

    def _step(self, batch: Batch) -> None:
        self.threads.begin(prompts=batch.prefill_tokens > 0)
        start_ns = self.step_started_ns = time.monotonic_ns()
        try:
            batch = self._draft(batch)
            drafting_ns = time.monotonic_ns() - start_ns
            sampled = self._backend.compute(batch)
        except BackendError as error:
            self._publish(self.scheduler.fail(batch, str(error), time.monotonic_ns()), time.monotonic_ns())
            return
        finally:
            self.step_started_ns = None
        end_ns = time.monotonic_ns()
        traced, self._steps = self._steps % TRACED_EVERY == 0, self._steps + 1
        requests = tuple(self._ids(batch)) if traced else ()
        self.samples.append(_sample(batch, sampled, start_ns, end_ns, requests))
        result = StepResult(start_ns, end_ns, sampled, drafting_ns, self._backend.logprobs)
        self._publish(self.scheduler.apply(batch, result), end_ns)
        self.threads.stepped(end_ns - start_ns, end_ns)

    def _draft(self, batch: Batch) -> Batch:
        """Have the draft model do what is asked of it; when it fails, nobody is harmed but speed."""
        if self._draft_model is None or not batch.draft_requests:
            return batch
        try:
            return self.scheduler.drafting.take(batch, self._draft_model.draft(batch.draft_requests))
        except BackendError as error:
            message = "the draft model failed and is not used any more until the engine is started again: %s"
            log.warning(message, error)
            self.scheduler.drafting.stop()
            return batch

    def _ids(self, batch: Batch) -> list[str]:
        return [self.scheduler.slots[part.slot].id for part in batch.parts]

    def _publish(self, outcome: StepOutcome, end_ns: int) -> None:
        """Tell the gateway, in one write: its end of the pipe wakes up once."""
        if messages := self._outbox.post(outcome.deltas, outcome.finished, end_ns):
            self._send(*messages)


def _sample(
    batch: Batch,
    sampled: Mapping[int, Sized],
    start_ns: int,
    end_ns: int,
    requests: tuple[str, ...],
) -> StepSample:
    """The sample of a step: what it took and gave."""
    sampled_tokens = sum(len(sampled[part.slot]) for part in batch.parts if not part.prefill)
    given = sampled_tokens + batch.forced
    return StepSample(
        end_ns - start_ns,
        len(batch.parts),
        batch.prefill_tokens,
        given,
        start_ns,
        requests,
        rejected_tokens=batch.decode_tokens - given,
    )
