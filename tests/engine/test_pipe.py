"""The pipe's bytes: one write for several messages, and messages from however many reads."""

from __future__ import annotations

import io
import os

import pytest

from gateway.engine.frames import MAX_FRAME_BYTES, ProtocolError, ReplyReader, frame
from gateway.engine.pipe import EnginePipe
from gateway.engine.protocol import Delta, Finished, Started, Step

MESSAGES = (
    Started("1", []),
    Step(7, [Delta("1", "é", 1, 2), Delta("2", "", 0, 9)]),
    Finished(id="1", reason="stop"),
)


def test_messages_are_one_write() -> None:
    """What is sent together arrives with one read: the gateway wakes up once for a step."""
    reader_fd, writer_fd = os.pipe()
    try:
        EnginePipe(io.BytesIO(), writer_fd).send(*MESSAGES)
        assert list(ReplyReader().feed(os.read(reader_fd, 65536))) == list(MESSAGES)
    finally:
        os.close(reader_fd)
        os.close(writer_fd)


@pytest.mark.parametrize("size", [1, 3, 7, 64, 10_000])
def test_messages_come_in_any_pieces(size: int) -> None:
    """A message is there with its last byte, wherever reads cut the stream."""
    data = b"".join(map(frame, MESSAGES * 3))
    reader = ReplyReader()
    found = [reply for at in range(0, len(data), size) for reply in reader.feed(data[at : at + size])]
    assert found == list(MESSAGES * 3)


def test_garbage_is_refused() -> None:
    """A length that no frame of ours has ends the conversation instead of being waited for; what came
    before counts.
    """
    replies = ReplyReader().feed(frame(MESSAGES[0]) + (MAX_FRAME_BYTES + 1).to_bytes(4, "little"))
    assert next(replies) == MESSAGES[0]
    with pytest.raises(ProtocolError):
        next(replies)
