"""Reading a request's body within limits: of its size, of the time that it takes, and of what all bodies
hold together.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.datastructures import State

from gateway.api.http.coding import coding_of, decoded
from gateway.errors import BodyTimeoutError, BodyTooLargeError, ClientGoneError, TooManyBodiesError

RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """`max_bytes` of one body, also of what it decodes to; `timeout_s` until it is there; `most` bodies that
    arrive at the same time, and the bytes that those hold (`most_bytes`).
    """

    max_bytes: int
    timeout_s: float
    most: int
    most_bytes: int


class BodyReader:
    """Reads bodies, and knows how many are arriving."""

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits
        self._arriving = 0
        self._held_bytes = 0

    async def read(self, request: Request[Any, Any, State]) -> bytes:
        """The whole body, decoded.

        Raises:
            BodyTooLargeError: it is longer than allowed; no more than that is ever held.
            BodyTimeoutError: it did not arrive in time.
            TooManyBodiesError: too many others are arriving.
            UnsupportedEncodingError: its content coding is not known here.
            InvalidRequestError: it is not in the content coding that it claims.
            ClientGoneError: the client left.
        """
        limits, coding = self._limits, coding_of(request.headers.get("content-encoding", ""))
        declared = request.headers.get("content-length", "")
        if declared.isascii() and declared.isdigit() and int(declared) > limits.max_bytes:
            raise self._too_large()
        if self._arriving >= limits.most:
            raise TooManyBodiesError(
                f"{limits.most} request bodies are arriving already (server.max_bodies). Try again in"
                f" {RETRY_AFTER_S} s.",
                retry_after_s=RETRY_AFTER_S,
            )
        self._arriving += 1
        try:
            async with asyncio.timeout(limits.timeout_s):
                body = await self._arrived(request)
        except TimeoutError:
            raise BodyTimeoutError(
                f"The body was not there after {limits.timeout_s:g} s (server.body_timeout_s). Send it"
                " faster, or raise the limit."
            ) from None
        finally:
            self._arriving -= 1
        return body if coding is None else await asyncio.to_thread(decoded, body, coding, limits.max_bytes)

    async def _arrived(self, request: Request[Any, Any, State]) -> bytes:
        """All pieces, joined. What they hold is counted as long as others are missing."""
        pieces: list[bytes] = []
        size, more = 0, True
        try:
            while more:
                message: Any = await request.receive()
                if message["type"] != "http.request":
                    raise ClientGoneError("The client left in the middle of its request.")
                piece, more = message["body"], message.get("more_body", False)
                pieces.append(piece)
                size += len(piece)
                self._held_bytes += len(piece)
                self._check(size)
        finally:
            self._held_bytes -= size
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _check(self, size: int) -> None:
        limits = self._limits
        if size > limits.max_bytes:
            raise self._too_large()
        if self._held_bytes > max(limits.most_bytes, limits.max_bytes):
            raise TooManyBodiesError(
                f"The request bodies that are arriving hold more than {limits.most_bytes} bytes"
                f" (server.max_bodies_bytes). Try again in {RETRY_AFTER_S} s.",
                retry_after_s=RETRY_AFTER_S,
            )

    def _too_large(self) -> BodyTooLargeError:
        return too_large(self._limits.max_bytes)


def too_large(max_bytes: int) -> BodyTooLargeError:
    """The error for a body of more than `max_bytes`, as it came or decoded."""
    return BodyTooLargeError(
        f"The body is larger than {max_bytes} bytes (server.max_body_bytes). Send less, or raise the limit."
    )
