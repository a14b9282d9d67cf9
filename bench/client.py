"""A small HTTP/1.1 client for chats over one kept connection.

Written by hand because a general client costs more processor time per request than the gateway that it would
measure, and both share the machine.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
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


class Turn(msgspec.Struct, frozen=True):
    """One streamed answer as the client saw it, measured alike for every server. `ttft_ms` and `content_ms`
    count from the request written to each chunk with text in it.
    """

    wall_ms: float
    content_ms: list[float]
    text: str
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int

    @property
    def ttft_ms(self) -> float:
        """To the first chunk with text."""
        return self.content_ms[0]

    @property
    def longest_gap_ms(self) -> float:
        """The longest time between two chunks with text."""
        return max((after - before for before, after in itertools.pairwise(self.content_ms)), default=0.0)

    @property
    def decode_tps(self) -> float:
        """Tokens per second after the first one."""
        return (self.completion_tokens - 1) * 1e3 / max(self.content_ms[-1] - self.content_ms[0], 1e-6)


class _Tail(msgspec.Struct):
    timings: Timings


class _Delta(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)


class _CachedTokens(msgspec.Struct):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _CachedTokens | None = None


class _FrameTimings(msgspec.Struct):
    cache_n: int | None = None


class _Frame(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    timings: _FrameTimings | None = None


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
        begun_ns = self._send(body, request_id)
        answer = await self._answer()
        ended_ns = time.monotonic_ns()
        return Sample((ended_ns - begun_ns) / 1e6, (self._first_ns - begun_ns) / 1e6, _timings(answer))

    async def turn(self, body: bytes, request_id: str) -> Turn:
        """Send one streamed chat and note when each piece of its text came.

        Raises:
            ChatError: it was refused or failed, or had no text.
        """
        begun_ns = self._send(body, request_id)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        if head.split(b" ", 2)[1] != b"200" or b"transfer-encoding: chunked" not in head:
            raise ChatError(head.decode(errors="replace")[:500])
        content_ms, texts, frames = [], [], []
        async for frame in self._frames():
            frames.append(frame)
            text = "".join(choice.delta.content or "" for choice in frame.choices)
            if text:
                content_ms.append((time.monotonic_ns() - begun_ns) / 1e6)
                texts.append(text)
        wall_ms = (time.monotonic_ns() - begun_ns) / 1e6
        usage = next((frame.usage for frame in reversed(frames) if frame.usage), None)
        if not texts or usage is None:
            raise ChatError(f"an answer without {'text' if usage else 'usage'}")
        return Turn(
            wall_ms,
            content_ms,
            "".join(texts),
            usage.prompt_tokens,
            _cached(usage, frames),
            usage.completion_tokens,
        )

    def _send(self, body: bytes, request_id: str) -> int:
        """Write one request; returns when (monotonic ns)."""
        head = (
            f"POST {ROUTE} HTTP/1.1\r\nhost: {self._host}\r\ncontent-type: application/json\r\n"
            f"x-request-id: {request_id}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        begun_ns = time.monotonic_ns()
        self._first_ns = 0
        self._writer.write(head.encode() + body)
        return begun_ns

    async def _frames(self) -> AsyncIterator[_Frame]:
        """The frames of a stream as they come; a frame may span chunks."""
        rest = b""
        while length := int(await self._reader.readline(), 16):
            rest += (await self._reader.readexactly(length + 2))[:-2]
            *whole, rest = rest.split(b"\n\n")
            for frame in whole:
                data = frame.partition(b"data:")[2].strip()
                if data and data != b"[DONE]":
                    yield _decoded(data)
        await self._reader.readline()

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


def _decoded(data: bytes) -> _Frame:
    if data.startswith(b'{"error"'):
        raise ChatError(data.decode(errors="replace")[:500])
    try:
        return msgspec.json.decode(data, type=_Frame)
    except msgspec.DecodeError as error:
        raise ChatError(f"{error}: {data[:500].decode(errors='replace')}") from None


def _cached(usage: _Usage, frames: list[_Frame]) -> int:
    """Prompt tokens that were not computed: from the usage, or from the timings where it does not say."""
    details = usage.prompt_tokens_details
    if details is not None and details.cached_tokens is not None:
        return details.cached_tokens
    return next((frame.timings.cache_n or 0 for frame in reversed(frames) if frame.timings), 0)
