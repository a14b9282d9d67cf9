"""Streams that survive a disconnect: nothing is lost, a reader never holds up the answer, and a stop stops
it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.http import replay as replays
from gateway.api.http.replay import Replay, Replays, body_of
from gateway.errors import InvalidRequestError, StreamGapError, StreamNotFoundError
from tests.e2e.serving import FakeServed, until

PACED = {"FAKE_STEP_MS": "10"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeServed]:
    """A gateway whose engine takes its time."""
    served = FakeServed(tmp_path_factory.mktemp("paced"), env=PACED).start()
    yield served
    assert served.stop() == 0


@contextlib.contextmanager
def streamed(served: FakeServed, name: str | None, max_tokens: int) -> Iterator[httpx.Response]:
    """A streamed chat that may be read on later."""
    messages = [{"role": "user", "content": "Tell me a story."}]
    body = {"model": "fake", "stream": True, "max_tokens": max_tokens, "messages": messages}
    headers = {"x-conversation-id": name} if name else {}
    url = f"{served.base_url}/v1/chat/completions"
    with httpx.stream("POST", url, json=body, headers=headers, timeout=60) as response:
        yield response


def leave(served: FakeServed, name: str, size: int, max_tokens: int) -> tuple[bytes, str]:
    """What a client reads of a stream before it leaves, and the request's id."""
    with streamed(served, name, max_tokens) as response:
        read = b""
        for piece in response.iter_raw():
            read += piece
            if len(read) >= size:
                break
    return read, response.headers["x-request-id"]


def test_a_client_that_comes_back_reads_on(served: FakeServed) -> None:
    """Byte for byte, while the answer is still being written and after its end; the record is that of a
    whole answer.
    """
    read, request_id = leave(served, "chat-1", 2000, max_tokens=100)
    rest = httpx.get(f"{served.base_url}/v1/stream/chat-1", params={"from": len(read)}, timeout=30)
    again = httpx.get(f"{served.base_url}/v1/stream/chat-1", timeout=30)
    assert again.content == read + rest.content
    assert again.content.endswith(b"data: [DONE]\n\n")
    row = served.row(request_id)
    assert (row["status"], row["completion_tokens"]) == ("ok", 100)
    listed = httpx.get(f"{served.base_url}/v1/streams", params={"conversation_id": "chat-1"})
    (state,) = listed.json()["data"]
    assert (state["conversation_id"], state["is_done"]) == ("chat-1", True)
    assert state["total_bytes"] == len(again.content)


def test_a_stop_stops_it(served: FakeServed) -> None:
    """From anywhere; the slot is free, nothing is left to read, and stopping twice is no error."""
    _, request_id = leave(served, "chat-2", 500, max_tokens=2000)
    for _ in range(2):
        assert httpx.delete(f"{served.base_url}/v1/stream/chat-2").status_code == 204
    row = served.row(request_id)
    assert row["status"] == "cancelled"
    assert 0 < row["completion_tokens"] < 2000
    gone = httpx.get(f"{served.base_url}/v1/stream/chat-2")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "stream_not_found")


def test_without_the_header_a_client_that_leaves_ends_its_answer(served: FakeServed) -> None:
    """As ever; and one conversation has one stream."""
    with streamed(served, None, 2000) as response:
        next(response.iter_raw())
    assert served.row(response.headers["x-request-id"])["status"] == "cancelled"
    _, first = leave(served, "chat-3", 500, max_tokens=2000)
    _, second = leave(served, "chat-3", 10, max_tokens=5)
    assert served.row(first)["status"] == "cancelled"
    assert served.row(second)["status"] == "ok"


def test_an_error_is_told_and_not_kept(served: FakeServed) -> None:
    """A refusal by the engine is a response like any other, and no stream."""
    body = {"model": "nobody", "stream": True, "messages": [{"role": "user", "content": "x"}]}
    headers = {"x-conversation-id": "chat-4"}
    url = f"{served.base_url}/v1/chat/completions"
    assert httpx.post(url, json=body, headers=headers).status_code == 404
    assert (
        httpx.post(url, json={**body, "model": "fake"}, headers={"x-conversation-id": "a b"}).status_code
        == 400
    )
    assert "chat-4" not in httpx.get(f"{served.base_url}/v1/streams").text
    wrong = httpx.get(f"{served.base_url}/v1/stream/chat-4", params={"from": "x"})
    assert wrong.status_code == 404


def read(replay: Replay, offset: int) -> bytes:
    async def main() -> bytes:
        return b"".join([piece async for piece in replay.read(offset)])

    return asyncio.run(main())


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(0, 1200))
def test_any_offset_gives_the_rest_or_says_what_is_lost(pieces: list[bytes], offset: int) -> None:
    """A small ring, any pieces, any reader."""
    whole = b"".join(pieces)

    async def main() -> Replay:
        replay = Replay("x", 0)
        for piece in pieces:
            await replay.send(body_of(piece, more=True))
        replay.end(0.0)
        return replay

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replays, "RING_BYTES", 100)
        replay = asyncio.run(main())
    assert (replay.size, replay.first) == (len(whole), max(0, len(whole) - 100))
    if offset < replay.first:
        with pytest.raises(StreamGapError):
            read(replay, offset)
    else:
        assert read(replay, offset) == whole[offset:]


def test_what_ended_is_kept_for_a_while_and_not_in_any_number() -> None:
    """Time is an argument; what runs is never dropped."""
    now_s = [0.0]
    kept = Replays(lambda: now_s[0])
    running = kept.open("running")
    for number in range(replays.MAX_STREAMS + 10):
        kept.close(kept.open(f"c{number}"), keep=True)
    assert len(kept.all()) <= replays.MAX_STREAMS
    assert kept.find("running") is running
    now_s[0] = replays.KEPT_S + 1
    assert [replay.name for replay in kept.all()] == ["running"]
    with pytest.raises(StreamNotFoundError):
        kept.find("c300")
    with pytest.raises(InvalidRequestError):
        kept.open("a/b")


def test_a_slow_reader_holds_up_nothing(served: FakeServed) -> None:
    """The answer ends although nobody takes a byte of it."""
    with streamed(served, "slow", 50) as response:
        row = until(lambda: served.row(response.headers["x-request-id"]), 20)
    assert row["status"] == "ok"
