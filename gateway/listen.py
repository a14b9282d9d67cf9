"""Listening: granian embedded in our own process and event loop, and stop signals."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

BACKLOG = 1024


class AddressError(RuntimeError):
    """The address cannot be listened on; the text says why and what to do."""


def claim_port(host: str, port: int) -> int:
    """Check that an address is free, and choose a port for 0.

    Raises:
        AddressError: it is in use, not ours, or not allowed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise AddressError(f"cannot listen on {host}:{port}: {error.strerror}. Choose another with --port or --host.") from None
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def listening(app: Any, host: str, port: int) -> AsyncIterator[asyncio.Task[None]]:
    """Serve an ASGI application until the block ends; the task ends early only when the server fails."""
    server = Server(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        log_enabled=False,
    )
    task = asyncio.create_task(server.serve(), name="http server")
    try:
        yield task
    finally:
        server.stop()
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await asyncio.wait_for(task, 5.0)


@contextlib.contextmanager
def on_stop_signal(action: Callable[[], None]) -> Any:
    """Call `action` on SIGINT and SIGTERM instead of dying."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, action)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
