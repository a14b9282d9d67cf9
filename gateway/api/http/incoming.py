"""A request's body as it comes in, and what becomes of the rest of it when the answer is there first.

Bytes that nobody read would be taken for the next request on the connection, and a connection that is closed
over them is reset, which can take the answer with it. So what is short is read off behind the answer, and
what is long (or of unknown length) is announced with `Connection: close`; that, too, is read off for a while,
so that the client gets to read the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from litestar.types import HTTPReceiveMessage, Message, Receive

SHORT_BYTES = 64 * 1024
"""A body of at most this length is read off in silence, and the connection goes on."""

LINGER_BYTES = 64 * 2**20
LINGER_S = 10.0
"""Most that is read off behind an answer."""


class IncomingBody:
    """The body of one request; `receive` is what the application reads it with."""

    __slots__ = ("_asks_first", "_length", "_receive", "_whole")

    def __init__(self, receive: Receive, headers: Mapping[str, str]) -> None:
        length = headers.get("content-length", "")
        self._receive = receive
        self._length = int(length) if length.isascii() and length.isdigit() and len(length) < 20 else None
        self._asks_first = headers.get("expect", "").lower() == "100-continue"
        self._whole = self._length == 0 or (self._length is None and "transfer-encoding" not in headers)

    @property
    def whole(self) -> bool:
        """Nothing of it is left on the connection (or the client is gone)."""
        return self._whole

    async def receive(self) -> Any:
        """The next message."""
        message: Any = await self._receive()
        self._note(message)
        return message

    def announce(self, message: Message) -> None:
        """Say in a response's start that the connection ends with it, where the rest of the body is too
        much to read off.
        """
        if not self._asks_first and self._length is not None and self._length <= SHORT_BYTES:
            return
        headers: list[tuple[bytes, bytes]] = list(message["headers"])  # type: ignore[typeddict-item]
        message["headers"] = [*headers, (b"connection", b"close")]  # type: ignore[typeddict-unknown-key]

    async def discard(self) -> None:
        """Read off the rest, within bounds. A client that asked before it sends was told no, and sends
        nothing.
        """
        if self._asks_first:
            return
        left = LINGER_BYTES
        try:
            async with asyncio.timeout(LINGER_S):
                while not self._whole and left > 0:
                    message = await self.receive()
                    left -= len(message.get("body", b""))
        except TimeoutError:
            return

    def _note(self, message: HTTPReceiveMessage) -> None:
        self._asks_first = False  # whoever reads has told the client to go on
        self._whole = message["type"] != "http.request" or not message.get("more_body", False)
