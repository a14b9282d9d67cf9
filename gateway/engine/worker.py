"""The engine process: `python -m gateway.engine.worker OPTIONS` (JSON), spoken to over standard input and output.

Threads: the main thread reads requests (and ends the process when the gateway is gone, whatever the others do),
`intake` renders and tokenises, `decode` runs the scheduler and llama.cpp, `heartbeat` reports once a second.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable

import psutil

from gateway.engine.engine import Engine
from gateway.engine.intake import Intake
from gateway.engine.loop import DecodeLoop
from gateway.engine.options import EngineOptions
from gateway.engine.pace import Pace
from gateway.engine.pipe import EnginePipe
from gateway.engine.protocol import Cancel, Heartbeat, LoadFailed, Message, Ready, Submit
from gateway.engine.scheduler import Scheduler
from telemetry.events import EngineSample

SWITCH_INTERVAL_S = 0.0005
"""Python's default of 5 ms lets intake hold the decode thread up for longer than a small model's step."""

Loader = Callable[[EngineOptions, Callable[[Message], None]], Engine]


class Worker:
    """Wires pipe, intake and decode loop of one loaded engine."""

    def __init__(self, engine: Engine, options: EngineOptions, pipe: EnginePipe) -> None:
        self._engine = engine
        self._options = options
        self._pipe = pipe
        pace = Pace(engine.prefill_token_ns, int(options.max_stall_ms * 1e6), engine.config.n_ubatch)
        scheduler = Scheduler(
            slots=engine.config.slots,
            n_ctx=engine.config.n_ctx,
            max_batch=engine.config.n_batch,
            pace=pace,
            vocabulary=engine.tokens,
        )
        self._loop = DecodeLoop(scheduler, engine.backend, pipe.send)
        self._intake = Intake(
            template=engine.template,
            tokenizer=engine.tokens,
            n_ctx=engine.config.n_ctx,
            send=pipe.send,
            deliver=self._loop.deliver,
        )

    def run(self) -> None:
        """Serve until the gateway closes the pipe or says to stop."""
        for name, target in (("intake", self._intake.run), ("decode", self._loop.run), ("heartbeat", self._beat)):
            threading.Thread(target=_or_die, args=(target,), name=name, daemon=True).start()
        while True:
            request = self._pipe.receive()
            if isinstance(request, Submit):
                self._intake.submit(request)
            elif isinstance(request, Cancel):
                self._intake.cancel(request.id)
                self._loop.cancel(request.id)
            else:
                return

    def _beat(self) -> None:
        while True:
            self._pipe.send(self._heartbeat())
            time.sleep(self._options.heartbeat_s)

    def _heartbeat(self) -> Heartbeat:
        """The engine now; read without locks from the decode thread's state, which is at worst one step old."""
        now_ns, loop = time.monotonic_ns(), self._loop
        running, waiting = loop.scheduler.running, list(loop.scheduler.waiting)
        prefilling = sum(sequence.prefilling for sequence in running)
        started_ns = loop.step_started_ns
        samples = [loop.samples.popleft() for _ in range(len(loop.samples))]
        sample = EngineSample(
            model=self._options.model,
            slots_idle=len(loop.scheduler.slots) - len(running),
            slots_prefill=prefilling,
            slots_decode=len(running) - prefilling,
            queue_depth=len(waiting),
            queue_oldest_age_s=max((_age_s(sequence.queued_ns, now_ns) for sequence in waiting), default=0.0),
            kv_used_tokens=loop.used_tokens,
            kv_limit_tokens=self._engine.config.n_ctx * self._engine.config.slots,
            memory_bytes=psutil.Process().memory_info().rss,
            steps=tuple(samples),
        )
        return Heartbeat(sample, 0.0 if started_ns is None else _age_s(started_ns, now_ns))


def _age_s(since_ns: int, now_ns: int) -> float:
    """Seconds since a stamp of another thread, which may have come after `now_ns` was read."""
    return max(0, now_ns - since_ns) / 1e9


def _or_die(target: Callable[[], None]) -> None:
    """A thread of the engine that fails ends the process: the supervisor reports and restarts it."""
    try:
        target()
    except BaseException:
        traceback.print_exc()
        os._exit(70)


def serve(load: Loader, argument: str) -> None:
    """Load with `load` and serve; leaves by `os._exit`, since native threads may be in the middle of a step."""
    begun_ns = time.monotonic_ns()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    pipe = EnginePipe.take_standard_streams()
    options = EngineOptions.from_argument(argument)
    try:
        engine = load(options, pipe.send)
    except Exception as error:
        traceback.print_exc()
        pipe.send(LoadFailed(str(error)))
        os._exit(1)
    load_ms = (time.monotonic_ns() - begun_ns) / 1e6
    pipe.send(
        Ready(
            config=engine.config,
            load_ms=load_ms,
            chat_template=engine.chat_template,
            special_tokens=engine.special_tokens,
            prefill_token_ns=engine.prefill_token_ns,
        )
    )
    Worker(engine, options, pipe).run()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    from gateway.engine.llama_load import load_llama

    serve(load_llama, sys.argv[1])
