"""Streams that survive a disconnect: what was written stays for a while, and whoever comes back reads on.

A client asks for it with `X-Conversation-Id` on a streamed request. Its answer is then written into a
`Replay`, and every reader, the first one too, only follows that: one that leaves, or reads slowly, holds up
nothing. There is one stream for each conversation; a new one takes the place of the one before.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from litestar.types import Message

from gateway.errors import InvalidRequestError, StreamGapError, StreamNotFoundError

HEADER = "x-conversation-id"
RING_BYTES = 4 * 2**20
"""Kept of one stream: its newest bytes."""

KEPT_S = 300.0
"""How long a stream can be read after its end."""

MAX_STREAMS = 256
"""Streams that are kept at the same time; the one that ended first makes room."""

_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


class Replay:
    """The bytes of one stream. `first` is the offset of the oldest byte that is there."""

    def __init__(self, name: str, started_at: int) -> None:
        self.name = name
        self.started_at = started_at
        self.first = 0
        self.ended_s: float | None = None
        self.start: Message | None = None
        self.stopped = asyncio.Event()
        """Set when somebody wants the answer to end."""
        self._ring = bytearray()
        self._news = asyncio.Event()

    @property
    def size(self) -> int:
        """Bytes written so far, those included that are not there any more."""
        return self.first + len(self._ring)

    async def send(self, message: Message) -> None:
        """Take one message of an ASGI response; never waits."""
        if message["type"] == "http.response.start":
            self.start = message
        elif message["type"] == "http.response.body":
            self._ring += message["body"]
            if (excess := len(self._ring) - RING_BYTES) > 0:
                del self._ring[:excess]
                self.first += excess
        self._tell()

    def end(self, now_s: float) -> None:
        """Nothing more comes."""
        self.ended_s = now_s
        self._tell()

    async def read(self, offset: int) -> AsyncIterator[bytes]:
        """All bytes from an offset on, until the end.

        Raises:
            StreamGapError: the ring has lost bytes behind the offset, now or while the reader was away.
        """
        while True:
            if offset < self.first:
                raise StreamGapError(
                    f"The stream's first byte that is kept is {self.first}; ask for `from={self.first}`.",
                    self.first,
                )
            if piece := bytes(self._ring[offset - self.first :]):
                offset += len(piece)
                yield piece
            elif self.ended_s is not None:
                return
            else:
                await self._news.wait()

    async def started(self) -> Message | None:
        """The response's start, when it is there; None where it ended without one."""
        while self.start is None and self.ended_s is None:
            await self._news.wait()
        return self.start

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Replays:
    """The streams that can be read again, by the name of their conversation."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._replays: dict[str, Replay] = {}

    def open(self, name: str) -> Replay:
        """Begin a stream; one of the same name that still runs is stopped.

        Raises:
            InvalidRequestError: the name is none.
        """
        if not _NAME.fullmatch(name):
            text = "X-Conversation-Id must be 1 to 128 of the characters A-Z a-z 0-9 _ . : -"
            raise InvalidRequestError(text, param=HEADER)
        self._tidy()
        if (before := self._replays.pop(name, None)) is not None:
            before.stopped.set()
        replay = self._replays[name] = Replay(name, int(time.time()))
        return replay

    def close(self, replay: Replay, *, keep: bool) -> None:
        """A stream has ended; what is no stream (an error's response) is not kept."""
        replay.end(self._clock_s())
        if not keep and self._replays.get(replay.name) is replay:
            del self._replays[replay.name]

    def find(self, name: str) -> Replay:
        """The stream of a conversation.

        Raises:
            StreamNotFoundError: there is none, or no more.
        """
        self._tidy()
        if name not in self._replays:
            raise StreamNotFoundError(f"There is no stream of the conversation {name[:128]!r}.")
        return self._replays[name]

    def forget(self, name: str) -> None:
        """Stop the stream of a conversation and keep nothing of it; harmless where there is none."""
        if (replay := self._replays.pop(name, None)) is not None:
            replay.stopped.set()

    def all(self) -> list[Replay]:
        """What can be read now, the oldest first."""
        self._tidy()
        return list(self._replays.values())

    def _tidy(self) -> None:
        """Drop what ended too long ago, and the first that ended where there are too many."""
        now_s = self._clock_s()
        ended = [replay for replay in self._replays.values() if replay.ended_s is not None]
        for replay in ended:
            if now_s - (replay.ended_s or 0) > KEPT_S or len(self._replays) >= MAX_STREAMS:
                del self._replays[replay.name]


def offset_of(text: str | None) -> int:
    """`from` of a query.

    Raises:
        InvalidRequestError: it is no offset.
    """
    if text is None or text == "":
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise InvalidRequestError("`from` is the number of bytes that were read already.", param="from")
    return int(text)


def body_of(piece: bytes, *, more: bool) -> Any:
    """A message with a piece of the body."""
    return {"type": "http.response.body", "body": piece, "more_body": more}
