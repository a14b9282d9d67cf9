"""One engine process: start it, speak frames with it, end it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import BinaryIO

from gateway.engine.options import EngineOptions
from gateway.engine.protocol import HEADER, Message, Reply, Shutdown, body_length, decode_reply, frame

WORKER_COMMAND = (sys.executable, "-m", "gateway.engine.worker")
KEPT_LOG_BYTES = 10 * 2**20
"""An engine's log is emptied at a start that finds it larger than this."""

SPIN_COUNT = "1000"
"""How long OpenMP's workers spin at a barrier before they sleep, some microseconds: about as long as two threads differ in
an operation. With 20 times as much, a worker that waits burns the core that another program or the other worker needs;
with a tenth, a token takes twice as long on idle cores (bench/RESULTS.md).
"""


class EngineProcess:
    """A running `gateway.engine.worker`. It ends by itself when our end of its standard input closes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout

    @classmethod
    async def start(cls, options: EngineOptions, log: Path, command: Sequence[str] = WORKER_COMMAND) -> EngineProcess:
        """Spawn a worker in a session of its own, so that a Ctrl-C in the terminal reaches the gateway only."""
        with await asyncio.to_thread(_opened, log) as stderr:  # a file system that hangs holds up this start, not the event loop
            process = await asyncio.create_subprocess_exec(
                *command,
                options.to_argument(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
                env={"GOMP_SPINCOUNT": SPIN_COUNT, **os.environ, "PYTHONUNBUFFERED": "1"},
            )
        return cls(process)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def exit_words(self) -> str:
        """How it ended, for people."""
        code = self._process.returncode
        if code is None:
            return "still runs"
        return f"was killed by signal {-code}" if code < 0 else f"exited with status {code}"

    def send(self, message: Message) -> None:
        """Queue a message; a process that is gone is noticed by `replies`."""
        if not self._stdin.is_closing():
            self._stdin.write(frame(message))

    async def replies(self) -> AsyncIterator[Reply]:
        """All messages until the process closes its end."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionResetError):
            while True:
                header = await self._stdout.readexactly(HEADER.size)
                yield decode_reply(await self._stdout.readexactly(body_length(header)))

    def kill(self) -> None:
        """End it now."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def stop(self, deadline_s: float) -> None:
        """Ask it to end, and kill it when it does not."""
        self.send(Shutdown())
        try:
            await asyncio.wait_for(self._process.wait(), deadline_s)
        except TimeoutError:
            self.kill()
            await self._process.wait()

    async def wait(self) -> None:
        """Until the process has ended."""
        await self._process.wait()


def _opened(log: Path) -> BinaryIO:
    """The log, empty if it was too long."""
    log.parent.mkdir(parents=True, exist_ok=True)
    return log.open("wb" if log.exists() and log.stat().st_size > KEPT_LOG_BYTES else "ab")
