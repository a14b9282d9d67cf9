"""One engine process: start it, speak frames with it, end it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from gateway.engine.frames import ReplyReader, frame
from gateway.engine.options import EngineOptions
from gateway.engine.protocol import Message, Reply, Shutdown

WORKER_COMMAND = (sys.executable, "-m", "gateway.engine.worker")
KEPT_LOG_BYTES = 10 * 2**20
"""An engine's log is emptied at a start that finds it larger than this."""

READ_BYTES = 32_768
"""Room for a read of the engine's messages. asyncio's 256 KiB are taken from the kernel and given back for
every read, which costs as much as all else of it (measured: 139 against 71 µs a read, 8 ms apart).
"""

SPIN_COUNT = "1000"
"""How long OpenMP's workers spin at a barrier before they sleep, some microseconds: about as long as two
threads differ in an operation. With 20 times as much, a worker that waits burns the core that another program
or the other worker needs; with a tenth, a token takes twice as long on idle cores (bench/RESULTS.md).
"""


class _Life(asyncio.SubprocessProtocol):
    """Notes when the process has ended."""

    def __init__(self) -> None:
        self.exited: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def process_exited(self) -> None:
        self.exited.set_result(None)


class _Output(asyncio.Protocol):
    """Our end of its standard output: all messages of one read are handed over at once, without a task that
    has to wake up.

    It takes the place of asyncio's `own` protocol, which would pass each read on at the event loop's next
    turn.
    """

    def __init__(self, own: asyncio.BaseProtocol, on_reply: Callable[[Reply], None]) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._own = own
        self._reader = ReplyReader()
        self._on_reply = on_reply

    def data_received(self, data: bytes) -> None:
        if self.closed.done():
            return
        try:
            for reply in self._reader.feed(data):
                self._on_reply(reply)
        except Exception as error:
            self.closed.set_exception(error)

    def connection_lost(self, error: Exception | None) -> None:
        self._own.connection_lost(error)
        if not self.closed.done():
            self.closed.set_result(None)


class EngineProcess:
    """A running `gateway.engine.worker`. It ends by itself when our end of its standard input closes."""

    def __init__(
        self, transport: asyncio.SubprocessTransport, life: _Life, on_reply: Callable[[Reply], None]
    ) -> None:
        self._transport = transport
        self._life = life
        self._stdin = cast("asyncio.WriteTransport", transport.get_pipe_transport(0))
        stdout = cast("asyncio.ReadTransport", transport.get_pipe_transport(1))
        self._output = _Output(stdout.get_protocol(), on_reply)
        stdout.set_protocol(self._output)
        stdout.max_size = READ_BYTES  # type: ignore[attr-defined]  # asyncio's own; where a loop has none it is never read

    @classmethod
    async def start(
        cls,
        options: EngineOptions,
        log: Path,
        on_reply: Callable[[Reply], None],
        command: Sequence[str] = WORKER_COMMAND,
    ) -> EngineProcess:
        """Spawn a worker in a session of its own, so that a Ctrl-C in the terminal reaches the gateway
        only.
        """
        with await asyncio.to_thread(
            _opened, log
        ) as stderr:  # a file system that hangs holds up this start, not the event loop
            transport, life = await asyncio.get_running_loop().subprocess_exec(
                _Life,
                *command,
                options.to_argument(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
                env={"GOMP_SPINCOUNT": SPIN_COUNT, **os.environ, "PYTHONUNBUFFERED": "1"},
            )
        return cls(transport, life, on_reply)

    @property
    def pid(self) -> int:
        """Process id."""
        pid = self._transport.get_pid()
        assert pid is not None, "it was started"
        return pid

    @property
    def exit_reason(self) -> str:
        """How it ended, for people."""
        code = self._transport.get_returncode()
        if code is None:
            return "still runs"
        return f"was killed by signal {-code}" if code < 0 else f"exited with status {code}"

    def send(self, message: Message) -> None:
        """Queue a message; a process that is gone is noticed by `closed`."""
        if not self._stdin.is_closing():
            self._stdin.write(frame(message))

    async def closed(self) -> None:
        """Until the process closes its end.

        Raises:
            Exception: what it sent cannot be understood, or was not taken.
        """
        await asyncio.shield(self._output.closed)

    def kill(self) -> None:
        """End it now."""
        with contextlib.suppress(ProcessLookupError):
            self._transport.kill()

    async def stop(self, deadline_s: float) -> None:
        """Ask it to end, and kill it when it does not."""
        self.send(Shutdown())
        try:
            await asyncio.wait_for(self.wait(), deadline_s)
        except TimeoutError:
            self.kill()
            await self.wait()

    async def wait(self) -> None:
        """Until the process has ended."""
        await asyncio.shield(self._life.exited)
        self._transport.close()


def _opened(log: Path) -> BinaryIO:
    """The log, empty if it was too long."""
    log.parent.mkdir(parents=True, exist_ok=True)
    return log.open("wb" if log.exists() and log.stat().st_size > KEPT_LOG_BYTES else "ab")
