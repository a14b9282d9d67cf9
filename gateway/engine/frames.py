"""Frames of the messages on the pipe: msgpack, each behind a 4-byte little-endian length."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

from gateway.engine.protocol import Message, Reply, Request

MAX_FRAME_BYTES = 64 * 2**20
"""A longer frame can only be garbage on the stream."""

HEADER = struct.Struct("<I")


class ProtocolError(RuntimeError):
    """The stream does not carry our frames."""


class MessageTooLongError(ProtocolError):
    """A message is longer than any frame; sent, it would look like garbage and end the engine."""


encode_body = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode


def frame(message: Message) -> bytes:
    """A message as it goes on the pipe.

    Raises:
        MessageTooLongError: it does not fit in a frame.
    """
    body = encode_body(message)
    if len(body) > MAX_FRAME_BYTES:
        raise MessageTooLongError(
            f"a {type(message).__name__} of {len(body)} bytes does not fit in a frame of {MAX_FRAME_BYTES}"
        )
    return HEADER.pack(len(body)) + body


class ReplyReader:
    """Cuts the engine's stream of bytes into messages, however they arrive."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Reply]:
        """All messages that are complete with these bytes.

        Raises:
            ProtocolError: the stream does not carry our frames.
            msgspec.DecodeError: a message is none of ours.
        """
        self._rest += data
        start = 0
        while (begin := start + HEADER.size) <= len(self._rest):
            end = begin + body_length(self._rest[start:begin])
            if end > len(self._rest):
                break
            start = end
            yield decode_reply(self._rest[begin:end])
        del self._rest[:start]


def body_length(header: bytes | bytearray) -> int:
    """The length that a 4-byte header announces.

    Raises:
        ProtocolError: it is longer than any frame of ours.
    """
    (length,) = HEADER.unpack(header)
    if length > MAX_FRAME_BYTES:
        raise ProtocolError(f"a frame of {length} bytes was announced; the most is {MAX_FRAME_BYTES}")
    return int(length)
