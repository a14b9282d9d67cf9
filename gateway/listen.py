"""Listening: granian embedded in our own process and event loop, and stop signals."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

BACKLOG = 1024
ACCEPT_S = 10.0
"""Until a server that does not accept connections is given up."""

STOP_S = 5.0


class AddressError(RuntimeError):
    """The address cannot be listened on; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address and a port to listen on."""

    ip: str
    port: int

    @property
    def reached_at(self) -> tuple[str, int]:
        """Where a client on this machine connects to: a wildcard address is no destination."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.ip, self.ip), self.port  # noqa: S104


def claim(host: str, port: int) -> Address:
    """Resolve a host name, check that its address is free, and choose a port for 0; IPv4 where a name has
    both.

    Raises:
        AddressError: it does not resolve, is in use, not ours, or not allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return Address(str(address[0]), int(probe.getsockname()[1]))
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AddressError(
            f"cannot listen on {host}:{port}: {reason}. Choose another with --port or --host."
        ) from None


@contextlib.asynccontextmanager
async def listening(app: Any, address: Address) -> AsyncIterator[asyncio.Task[None]]:
    """Serve an ASGI application until the block ends; the block begins when connections are accepted.

    The task ends early only when the server fails.

    Raises:
        AddressError: the server ended before it accepted a connection.
    """
    server = Server(
        app,
        address=address.ip,
        port=address.port,
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        websockets=False,
        backlog=BACKLOG,
        log_enabled=False,
    )
    task = asyncio.create_task(server.serve(), name="http server")
    try:
        await _accepting(task, address)
        yield task
    finally:
        server.stop()
        await asyncio.wait({task}, timeout=STOP_S)
        task.cancel()


async def _accepting(server: asyncio.Task[None], address: Address) -> None:
    """Until a connection is accepted.

    Raises:
        AddressError: the server ended, or does not accept any.
    """
    ip, port = address.reached_at
    deadline = time.monotonic() + ACCEPT_S
    while not server.done() and time.monotonic() < deadline:
        await asyncio.sleep(0)  # the server's first step binds
        try:
            _, writer = await asyncio.open_connection(ip, port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return
    raise AddressError(f"cannot listen on {ip}:{port}: {ending(server)}")


def ending(server: asyncio.Task[None]) -> str:
    """Why the server's task ended, for people."""
    if not server.done():
        return f"no connection was accepted within {ACCEPT_S:g} s"
    error = None if server.cancelled() else server.exception()
    return (
        "the HTTP server ended"
        if error is None
        else f"the HTTP server failed: {error or type(error).__name__}"
    )


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
