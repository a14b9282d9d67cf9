"""The peer: llama.cpp's own server, as the wheel `xllamacpp` embeds it.

`python -m bench.peer MODEL PORT SLOTS N_CTX THREADS` serves until it is stopped; `n_ctx` is per slot.
Everything that is not named here (prompt cache, batch sizes, flash attention) is at that server's defaults.
"""

from __future__ import annotations

import importlib.util
import signal
import sys
import threading
from collections.abc import Sequence

PACKAGE = "xllamacpp"


def installed() -> bool:
    """Whether the peer can be started here; it is in the extra `bench`."""
    return importlib.util.find_spec(PACKAGE) is not None


def main(model: str, numbers: Sequence[int]) -> None:
    """Serve until SIGTERM or SIGINT."""
    from xllamacpp import CommonParams, Server  # noqa: PLC0415 - only this process needs it, and it may be absent

    port, slots, n_ctx, threads = numbers
    params = CommonParams()
    params.model.path = model
    params.port = port
    params.n_parallel = slots
    params.n_ctx = n_ctx * slots
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    server = Server(params)
    print(f"serving on {server.listening_address}", flush=True)
    while not stopped.wait(0.2):
        pass
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], [int(argument) for argument in sys.argv[2:6]])
