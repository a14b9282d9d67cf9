"""The engine process of a model that chats. Threads as in `gateway.engine.worker`: main computes, `reader`
takes requests, `intake` renders and tokenises, `disk` reads and writes the cache's files, `heartbeat` reports
once a second.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import psutil

from gateway.engine.cache.disk.file import DiskKey
from gateway.engine.cache.disk.thread import DiskThread
from gateway.engine.cache.lookup import CacheLookup
from gateway.engine.cache.prefix_cache import PrefixCache
from gateway.engine.cache.tiers.disk import DiskTier
from gateway.engine.cache.tiers.ram import RamTier
from gateway.engine.engine import Engine
from gateway.engine.options import EngineOptions
from gateway.engine.pipe import EnginePipe
from gateway.engine.process import exit_on_failure
from gateway.engine.protocol import Cancel, Embed, Heartbeat, Share, Submit
from gateway.engine.schedule.forecast import predict_ttft_ms
from gateway.engine.schedule.intake import Intake
from gateway.engine.schedule.loop import DecodeLoop
from gateway.engine.schedule.pace import Pace
from gateway.engine.schedule.placement import Placement
from gateway.engine.schedule.scheduler import Scheduler
from gateway.engine.tasks import refusal
from gateway.engine.threads.control import ThreadControl
from telemetry.events import CacheSample, EngineSample

SAVE_S = 0.7
"""Longest time for each of the two things that are done before the process ends: out of the KV, and onto the
disk.
"""


class ChatWorker:
    """Wires pipe, cache, intake and decode loop of one loaded engine."""

    def __init__(self, engine: Engine, options: EngineOptions, pipe: EnginePipe) -> None:
        self._engine = engine
        self._options = options
        self._pipe = pipe
        config = engine.config
        disk = DiskTier(options.cache_disk_bytes)
        self._cache = PrefixCache(RamTier(options.cache_ram_bytes), disk)
        key = DiskKey(
            config.model_digest,
            config.llama_cpp_build,
            config.kv_type_k,
            config.kv_type_v,
            1 if config.kv_unified else config.slots,
        )
        self._disk = DiskThread(Path(options.cache_folder), key, disk, self._cache, options.model)
        self._loop = self._decode_loop()
        self._intake = self._new_intake()

    def _decode_loop(self) -> DecodeLoop:
        engine, options = self._engine, self._options
        config, backend = engine.config, engine.backend
        pace = Pace(
            engine.prefill_token_ns,
            int(options.max_stall_ms * 1e6),
            config.n_ubatch,
            kernel_min_rows=backend.kernel_min_rows,
        )
        scheduler = Scheduler(
            placement=Placement(config.slots, backend, self._cache, pace, time.monotonic_ns),
            n_ctx=config.n_ctx,
            max_batch=config.n_batch,
            pace=pace,
            vocabulary=engine.tokens,
            drafting=engine.drafting,
        )
        threads = ThreadControl(
            config.threads,
            config.threads_batch,
            engine.use_threads,
            pace=pace,
            adaptive=options.threads_adaptive,
        )
        return DecodeLoop(scheduler, backend, self._pipe.send, threads, engine.draft_model)

    def _new_intake(self) -> Intake:
        engine, options, scheduler = self._engine, self._options, self._loop.scheduler
        backend = engine.backend
        return Intake(
            template=engine.template,
            tokenizer=engine.tokens,
            make_sampler=backend.sampler,
            n_ctx=engine.config.n_ctx,
            cache=CacheLookup(
                self._cache,
                engine.tokens,
                kernel_min_rows=backend.kernel_min_rows,
                enabled=options.cache_ram_bytes > 0,
                unsupported="" if backend.trims else "this model's state cannot be cut to a prefix",
            ),
            namespaces=engine.namespaces,
            speculative=options.speculative == "ngram" and backend.trims,
            model=options.model,
            grammars=engine.grammars,
            n_vocab=sys.maxsize if engine.vocab is None else engine.vocab.n_tokens,
            predict_ttft_ms=lambda sequence: predict_ttft_ms(scheduler, sequence),
            send=self._pipe.send,
            deliver=self._loop.deliver,
        )

    def run(self) -> None:
        """Serve until the gateway closes the pipe or says to stop, then end the process."""
        self._disk.open()
        threads = {
            "reader": self._read,
            "intake": self._intake.run,
            "disk": self._disk.run,
            "heartbeat": self._beat,
        }
        for name, target in threads.items():
            threading.Thread(target=exit_on_failure, args=(target,), name=name, daemon=True).start()
        exit_on_failure(self._loop.run)

    def _read(self) -> None:
        self._answer()
        if self._options.cache_disk_bytes and self._loop.save_all(SAVE_S):
            self._disk.flush(SAVE_S)
        sys.stderr.flush()
        os._exit(0)

    def _answer(self) -> None:
        """Pass requests on until the gateway closes the pipe or says to stop."""
        while True:
            request = self._pipe.receive()
            if isinstance(request, Submit):
                self._intake.submit(request)
            elif isinstance(request, Cancel):
                self._intake.cancel(request.id)
                self._loop.cancel(request.id)
            elif isinstance(request, Share):
                self._loop.threads.share(request.part, request.parts)
            elif isinstance(request, Embed):
                self._pipe.send(refusal(request, "chat"))
            else:
                return

    def _beat(self) -> None:
        while True:
            heartbeat = self._heartbeat()
            if heartbeat.step_age_s > self._options.step_timeout_s:
                self._loop.abort()
            self._pipe.send(heartbeat)
            time.sleep(self._options.heartbeat_s)

    def _heartbeat(self) -> Heartbeat:
        """The engine now; read without locks from the decode thread's state, at worst one step old."""
        now_ns, loop = time.monotonic_ns(), self._loop
        running, waiting = loop.scheduler.running, loop.scheduler.waiting
        prefilling = sum(sequence.progress.prefilling for sequence in running)
        started_ns = loop.step_started_ns
        samples = [loop.samples.popleft() for _ in range(len(loop.samples))]
        sample = EngineSample(
            model=self._options.model,
            slots_idle=len(loop.scheduler.slots) - len(running),
            slots_prefill=prefilling,
            slots_decode=len(running) - prefilling,
            queue_depth=len(waiting),
            queue_oldest_age_s=max((_age_s(one.stamps.queued_ns, now_ns) for one in waiting), default=0.0),
            kv_used_tokens=sum(sequence.progress.n_computed for sequence in running),
            kv_limit_tokens=self._engine.config.n_ctx * self._engine.config.slots,
            memory_bytes=psutil.Process().memory_info().rss,
            buffers=dict(self._engine.buffers),
            threads=loop.threads.sample(),
            steps=tuple(samples),
            cache=CacheSample(
                tuple(self._cache.tiers()),
                dict(self._cache.evicted),
                dict(self._cache.discarded),
                loop.scheduler.placement.states.restore_failures,
                self._disk.off,
            ),
        )
        return Heartbeat(sample, 0.0 if started_ns is None else _age_s(started_ns, now_ns))


def _age_s(since_ns: int, now_ns: int) -> float:
    """Seconds since a stamp of another thread, which may have come after `now_ns` was read."""
    return max(0, now_ns - since_ns) / 1e9
