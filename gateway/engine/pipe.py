"""The engine's end of the pipe: a private copy of standard output, so that no native print corrupts it."""

from __future__ import annotations

import os
import sys
import threading
from typing import BinaryIO

from gateway.engine.frames import HEADER, body_length, decode_request, frame
from gateway.engine.protocol import Message, Request


class EnginePipe:
    """Reads requests from standard input, writes replies from any thread."""

    def __init__(self, reader: BinaryIO, writer_fd: int) -> None:
        self._reader = reader
        self._writer_fd = writer_fd
        self._lock = threading.Lock()

    @classmethod
    def take_standard_streams(cls) -> EnginePipe:
        """Keep fd 1 for ourselves and point it at standard error, where llama.cpp may print what it likes."""
        writer_fd = os.dup(1)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        return cls(sys.stdin.buffer, writer_fd)

    def receive(self) -> Request | None:
        """The next request, or None when the gateway is gone."""
        header = self._reader.read(HEADER.size)
        if len(header) < HEADER.size:
            return None
        size = body_length(header)
        body = self._reader.read(size)
        return decode_request(body) if len(body) == size else None

    def send(self, *messages: Message) -> None:
        """Write messages whole and at once; a gateway that is gone is noticed by `receive`, not here."""
        data = memoryview(b"".join(map(frame, messages)))
        with self._lock:
            try:
                while data:
                    data = data[os.write(self._writer_fd, data) :]
            except BrokenPipeError:
                return
