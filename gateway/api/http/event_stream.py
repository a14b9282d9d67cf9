"""Writing a stream of server-sent events straight from where they arrive.

A task of its own would have to wake up for each token, which costs more than everything else that is done for
one. So a piece is written by whoever brings it, and only while the client does not take what was written a
task waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any, Generic, TypeVar

from litestar.types import Send

from gateway.api.http.responses import send_body

Item = TypeVar("Item")


class EventStream(Generic[Item]):
    """Writes items as `frames` makes them, in order; what comes while the client is not ready goes at once
    afterwards.
    """

    def __init__(self, send: Send, frames: Callable[[Sequence[Item]], bytes]) -> None:
        self._send = send
        self._frames = frames
        self._waiting: list[Item] = []
        self._writing: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._closed = False

    def write(self, item: Item) -> None:
        """Write now, or as soon as the client has taken what was written before. Never raises: `drained`
        does.
        """
        if self._closed or self._failure is not None:
            return
        if self._writing is not None:
            self._waiting.append(item)
        else:
            self._begin(send_body(self._send, self._frames((item,)), more=True))

    async def drained(self) -> None:
        """Until everything is handed over.

        Raises:
            Exception: it could not be.
        """
        if self._writing is not None:
            await self._writing
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Write nothing more, and do not wait for the client any longer."""
        self._closed = True
        if self._writing is not None:
            self._writing.cancel()

    def _begin(self, sending: Coroutine[Any, Any, None]) -> None:
        """Run as far as it goes: where the client has room, that is to the end."""
        try:
            waits_for = sending.send(None)
        except StopIteration:
            return
        except Exception as error:
            self._failure = error
            return
        self._writing = asyncio.get_running_loop().create_task(self._go_on(_Rest(sending, waits_for)))

    async def _go_on(self, rest: _Rest) -> None:
        try:
            await rest
            while self._waiting:
                items, self._waiting = self._waiting, []
                await send_body(self._send, self._frames(items), more=True)
        except Exception as error:
            self._failure = error
        finally:
            self._writing = None


class _Rest:
    """What is left of a coroutine that was begun outside of a task, and now waits for `waits_for`."""

    def __init__(self, begun: Coroutine[Any, Any, None], waits_for: object) -> None:
        self._begun = begun
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        with contextlib.suppress(StopIteration):
            while True:
                try:
                    yield self._waits_for
                except BaseException as error:
                    self._waits_for = self._begun.throw(error)
                else:
                    self._waits_for = self._begun.send(None)
