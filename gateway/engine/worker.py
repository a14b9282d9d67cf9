"""The engine process: `python -m gateway.engine.worker OPTIONS` (JSON), spoken to over standard input and
output.

Threads: the main thread loads the model and then runs the scheduler and llama.cpp; `reader` takes requests
(and ends the process when the gateway is gone, whatever the others do), `intake` renders and tokenises,
`disk` reads and writes the cache's files, `heartbeat` reports once a second.

Loading and decoding share a thread for a reason: OpenMP keeps a team of workers for each thread that ever
computed, and once there are more of those than cores they sleep between operations instead of spinning, which
costs a third of the decode speed (measured: 90 against 131 tokens/s on two cores).
"""

from __future__ import annotations

import gc
import os
import sys
import time
import traceback
from collections.abc import Callable

from gateway.engine.embedding.engine import EmbeddingEngine
from gateway.engine.embedding.worker import EmbeddingWorker, task_of
from gateway.engine.engine import Engine
from gateway.engine.options import EngineOptions
from gateway.engine.pipe import EnginePipe
from gateway.engine.protocol import LoadFailed, Message, Ready
from gateway.engine.schedule.worker import ChatWorker

SWITCH_INTERVAL_S = 0.0005
"""Python's default of 5 ms lets intake hold the decode thread up for longer than a small model's step."""

Loader = Callable[[EngineOptions, Callable[[Message], None]], Engine | EmbeddingEngine]


def serve(load: Loader, argument: str) -> None:
    """Load with `load` and serve; leaves by `os._exit`, since native threads may be in a step."""
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
    gc.collect()
    gc.freeze()  # as in the gateway: a step never waits for a collection of what is loaded
    load_ms = (time.monotonic_ns() - begun_ns) / 1e6
    pipe.send(
        Ready(
            config=engine.config,
            load_ms=load_ms,
            chat_template=engine.chat_template,
            special_tokens=engine.special_tokens,
            prefill_token_ns=engine.prefill_token_ns,
            tuning=None if isinstance(engine, EmbeddingEngine) else engine.tuning,
            task=task_of(engine.embedder) if isinstance(engine, EmbeddingEngine) else "chat",
            threads_limit=engine.threads_limit,
            vocab=engine.vocab,
        )
    )
    if isinstance(engine, EmbeddingEngine):
        EmbeddingWorker(engine, options, pipe).run()
    else:
        ChatWorker(engine, options, pipe).run()


if __name__ == "__main__":
    from gateway.engine.llama.load import load_llama

    serve(load_llama, sys.argv[1])
