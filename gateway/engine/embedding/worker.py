"""The engine process of a model that embeds or ranks. Threads as in `gateway.engine.worker`: main computes,
`reader` takes requests, `intake` tokenises, `heartbeat` reports once a second.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from collections import deque

import psutil

from gateway.engine.backend import BackendError
from gateway.engine.embedding.engine import Embedder, EmbeddingEngine
from gateway.engine.embedding.intake import EmbeddingIntake
from gateway.engine.embedding.packer import Item, Job, Packer
from gateway.engine.options import EngineOptions
from gateway.engine.pipe import EnginePipe
from gateway.engine.process import exit_on_failure
from gateway.engine.protocol import (
    Cancel,
    Embed,
    Embedded,
    Finished,
    Heartbeat,
    Share,
    Started,
    Submit,
    Timing,
)
from gateway.engine.schedule.loop import MAX_SAMPLES, TRACED_EVERY
from gateway.engine.tasks import refusal
from gateway.engine.threads.control import ThreadControl
from telemetry.events import EngineSample, Phase, StepSample


def task_of(embedder: Embedder) -> str:
    """The task of an engine with this embedder."""
    return "rerank" if embedder.ranks else "embeddings"


class EmbeddingWorker:
    """Wires pipe, intake and packer of one loaded engine."""

    def __init__(self, engine: EmbeddingEngine, options: EngineOptions, pipe: EnginePipe) -> None:
        self._engine = engine
        self._options = options
        self._pipe = pipe
        self._task = task_of(engine.embedder)
        self._inbox: queue.SimpleQueue[Job | str] = queue.SimpleQueue()
        self._intake = EmbeddingIntake(engine.embedder, engine.config.n_ctx, pipe.send, self._inbox.put)
        self._packer = Packer(max_tokens=engine.config.n_ctx, max_sequences=engine.config.slots)
        threads, use = engine.config.threads, engine.embedder.use_threads
        adaptive = options.threads_adaptive
        self._threads = ThreadControl(threads, threads, lambda now, _batch: use(now), adaptive=adaptive)
        self._steps = 0
        self._samples: deque[StepSample] = deque(maxlen=MAX_SAMPLES)
        self._step: tuple[int, list[Item]] | None = None

    def run(self) -> None:
        """Serve until the gateway closes the pipe or says to stop, then end the process."""
        threads = {"reader": self._read, "intake": self._intake.run, "heartbeat": self._beat}
        for name, target in threads.items():
            threading.Thread(target=exit_on_failure, args=(target,), name=name, daemon=True).start()
        exit_on_failure(self._compute)

    def _read(self) -> None:
        while isinstance(request := self._pipe.receive(), Submit | Embed | Cancel | Share):
            if isinstance(request, Cancel):
                self._intake.cancel(request.id)
            elif isinstance(request, Share):
                self._threads.share(request.part, request.parts)
            elif isinstance(request, Submit) or (request.query is None) == self._engine.embedder.ranks:
                self._pipe.send(refusal(request, self._task))
            else:
                self._intake.submit(request)
        sys.stderr.flush()
        os._exit(0)

    def _compute(self) -> None:
        while True:
            self._receive()
            known = {job.id for job in self._packer.jobs if job.started_ns is None}
            items = self._packer.plan(time.monotonic_ns())
            for job in {item.job.id: item.job for item in items if item.job.id in known}.values():
                self._pipe.send(_started(job))
            if items:
                self._run(items)

    def _receive(self) -> None:
        """Take in what has arrived, and wait for it when there is nothing to compute."""
        while not self._packer.jobs or not self._inbox.empty():
            arrived = self._inbox.get()
            if isinstance(arrived, Job):
                self._packer.add(arrived)
            elif (job := self._packer.cancel(arrived)) is not None:
                self._pipe.send(_finished(job, "cancelled"))

    def _run(self, items: list[Item]) -> None:
        self._threads.begin(prompts=True)
        start_ns = time.monotonic_ns()
        self._step = (start_ns, items)
        try:
            vectors = self._engine.embedder.embed([item.tokens for item in items])
        except BackendError as error:
            for job in self._packer.fail(items):
                self._pipe.send(_finished(job, "error", str(error)))
            return
        finally:
            self._step = None
        traced, self._steps = self._steps % TRACED_EVERY == 0, self._steps + 1
        requests = tuple(dict.fromkeys(item.job.id for item in items)) if traced else ()
        tokens = sum(len(item.tokens) for item in items)
        end_ns = time.monotonic_ns()
        self._samples.append(StepSample(end_ns - start_ns, len(items), tokens, 0, start_ns, requests))
        self._threads.stepped(end_ns - start_ns, end_ns)
        for job in self._packer.apply(items, vectors):
            self._pipe.send(_embedded(job))

    def _beat(self) -> None:
        while True:
            self._pipe.send(self._heartbeat())
            time.sleep(self._options.heartbeat_s)

    def _heartbeat(self) -> Heartbeat:
        """The engine now, read without locks; at worst one step old."""
        now_ns, step, jobs = time.monotonic_ns(), self._step, self._packer.jobs.copy()
        busy = 0 if step is None else len(step[1])
        ages_s = [max(0, now_ns - job.queued_ns) / 1e9 for job in jobs if job.started_ns is None]
        sample = EngineSample(
            model=self._options.model,
            slots_idle=self._engine.config.slots - busy,
            slots_prefill=busy,
            slots_decode=0,
            queue_depth=len(ages_s),
            queue_oldest_age_s=max(ages_s, default=0.0),
            kv_used_tokens=0 if step is None else sum(len(item.tokens) for item in step[1]),
            kv_limit_tokens=self._engine.config.n_ctx,
            memory_bytes=psutil.Process().memory_info().rss,
            buffers=dict(self._engine.buffers),
            threads=self._threads.sample(),
            steps=tuple(self._samples.popleft() for _ in range(len(self._samples))),
        )
        return Heartbeat(sample, 0.0 if step is None else max(0, now_ns - step[0]) / 1e9)


def _started(job: Job) -> Started:
    assert job.started_ns is not None, "only jobs of a batch are announced"
    return Started(job.id, [Timing(Phase.QUEUE, job.queued_ns, job.started_ns)])


def _prefill(job: Job) -> list[Timing]:
    if job.started_ns is None:
        return [Timing(Phase.QUEUE, job.queued_ns, time.monotonic_ns())]
    return [Timing(Phase.PREFILL, job.started_ns, time.monotonic_ns(), {"steps": job.steps})]


def _finished(job: Job, reason: str, message: str = "") -> Finished:
    return Finished(id=job.id, reason=reason, message=message, timings=_prefill(job))


def _embedded(job: Job) -> Embedded:
    vectors = b"".join(job.vectors[index] for index in range(len(job.inputs)))
    dimensions = len(job.vectors[0]) // 4
    return Embedded(id=job.id, vectors=vectors, dimensions=dimensions, steps=job.steps, timings=_prefill(job))
