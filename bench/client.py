"""A small HTTP/1.1 client for chats over one kept connection.

Written by hand because a general client costs more processor time per request than the gateway that it would
measure, and both share the machine.
"""

from __future__ import annotations

import asyncio
import time
from typing import Self

import msgspec

ROUTE = "/v1/chat/completions"


class ChatError(RuntimeError):
    """An answer that is not a completed chat: a measurement with failures in it is none."""


class Timings(msgspec.Struct, frozen=True):
    """What the gateway says of a request, as far as it is used here; milliseconds."""

    prompt_n: int
    prompt_ms: float
    predicted_n: int
    predicted_ms: float
    queue_ms: float
    tokenize_ms: float
    ttft_ms: float
    total_ms: float
    predicted_per_second: float | None = None

    @property
    def engine_ms(self) -> float:
        """Time in the engine and waiting for it."""
        return self.queue_ms + self.tokenize_ms + self.prompt_ms + self.predicted_ms


class Sample(msgspec.Struct, frozen=True):
    """One chat as the client saw it: from the request written to its first and its last byte read."""

    wall_ms: float
    first_byte_ms: float
    timings: Timings

    @property
    def own_ms(self) -> float:
        """What neither engine phase explains: gateway, template, loopback and this client."""
        return self.wall_ms - self.timings.engine_ms


class _Tail(msgspec.Struct):
    timings: Timings


class Connection:
    """One kept connection to a gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host
        self._first_ns = 0

    @classmethod
    async def open(cls, host: str, port: int) -> Self:
        """Connect."""
        reader, writer = await asyncio.open_connection(host, port)
        return cls(reader, writer, f"{host}:{port}")

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def chat(self, body: bytes, request_id: str) -> Sample:
        """Send one chat and read its whole answer.

        Raises:
            ChatError: it was refused or failed.
        """
        head = (
            f"POST {ROUTE} HTTP/1.1\r\nhost: {self._host}\r\ncontent-type: application/json\r\n"
            f"x-request-id: {request_id}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        begun_ns = time.monotonic_ns()
        self._first_ns = 0
        self._writer.write(head.encode() + body)
        answer = await self._answer()
        ended_ns = time.monotonic_ns()
        return Sample((ended_ns - begun_ns) / 1e6, (self._first_ns - begun_ns) / 1e6, _timings(answer))

    async def _answer(self) -> bytes:
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        chunked = b"transfer-encoding: chunked" in head
        body = await (self._chunks() if chunked else self._exactly(_content_length(head)))
        if head.split(b" ", 2)[1] != b"200":
            raise ChatError(body.decode(errors="replace")[:500])
        return body

    async def _exactly(self, length: int) -> bytes:
        body = await self._reader.readexactly(length)
        self._first_ns = time.monotonic_ns()
        return body

    async def _chunks(self) -> bytes:
        """A chunked body (RFC 9112, section 7.1)."""
        pieces: list[bytes] = []
        while length := int(await self._reader.readline(), 16):
            self._first_ns = self._first_ns or time.monotonic_ns()
            pieces.append((await self._reader.readexactly(length + 2))[:-2])
        await self._reader.readline()
        return b"".join(pieces)


def _content_length(head: bytes) -> int:
    _, found, rest = head.partition(b"content-length:")
    if not found:
        raise ChatError("the answer is neither chunked nor of a declared length")
    return int(rest.split(b"\r\n", 1)[0])


def _timings(answer: bytes) -> Timings:
    """From a whole answer, or from the last frame of a streamed one that is not `[DONE]`."""
    text = answer
    if answer.startswith(b"data: "):
        frames = answer.split(b"data: ")
        if not frames[-1].startswith(b"[DONE]"):
            raise ChatError(frames[-1].decode(errors="replace")[:500])
        text = frames[-2]
    try:
        return msgspec.json.decode(text, type=_Tail).timings
    except msgspec.DecodeError as error:
        raise ChatError(f"{error}: {text[:500].decode(errors='replace')}") from None
