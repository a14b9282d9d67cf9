"""Writing frames from where their text arrives: order, slow clients, failures, and clients that are gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.api.http.event_stream import EventStream


class Client:
    """Takes `room` bodies at once; more wait until it `reads`."""

    def __init__(self, room: int) -> None:
        self.got: list[bytes] = []
        self.cancelled = 0
        self._room = room
        self._reads = asyncio.Event()

    async def send(self, message: Any) -> None:
        try:
            while len(self.got) >= self._room:
                await self._reads.wait()
                self._reads.clear()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.got.append(message["body"])

    def reads(self, more: int) -> None:
        """Make room."""
        self._room += more
        self._reads.set()


def _frame(texts: Sequence[str]) -> bytes:
    return f"[{''.join(texts)}]".encode()


def test_text_is_written_at_once() -> None:
    """Where the client has room, each piece has left when `write` returns: no turn of the event loop is
    needed.
    """

    async def run() -> None:
        client = Client(room=10)
        stream = EventStream(client.send, _frame)
        for text in "abc":
            stream.write(text)
        assert client.got == [b"[a]", b"[b]", b"[c]"]
        await stream.drained()

    asyncio.run(run())


def test_a_slow_client_gets_everything_in_order() -> None:
    """What comes while the client does not read waits, and goes as one piece when it does."""

    async def run() -> None:
        client = Client(room=1)
        stream = EventStream(client.send, _frame)
        for text in "abcd":
            stream.write(text)
        await asyncio.sleep(0)
        assert client.got == [b"[a]"]
        client.reads(10)
        await stream.drained()
        stream.write("e")
        assert client.got == [b"[a]", b"[b]", b"[cd]", b"[e]"]

    asyncio.run(run())


def test_a_closed_stream_does_not_wait() -> None:
    """Closing gives the write up that a client holds up, and what comes afterwards."""

    async def run() -> None:
        client = Client(room=0)
        stream = EventStream(client.send, _frame)
        stream.write("a")
        stream.write("b")
        await asyncio.sleep(0)
        stream.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        client.reads(10)
        stream.write("c")
        assert (client.got, client.cancelled) == ([], 1)

    asyncio.run(run())


@pytest.mark.parametrize("later", [False, True])
def test_a_failure_is_told_by_drained(*, later: bool) -> None:
    """Whoever brings the text is not harmed by a write that fails; the answer is."""

    async def broken(_message: Any) -> None:
        if later:
            await asyncio.sleep(0)
        raise OSError("the connection is gone")

    async def run() -> None:
        stream = EventStream(broken, _frame)
        stream.write("a")
        stream.write("b")
        with pytest.raises(OSError, match="gone"):
            await stream.drained()
        stream.write("c")

    asyncio.run(run())
