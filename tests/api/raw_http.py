"""HTTP by hand over a socket: for claims about the connection, which clients hide."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

CHAT = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Reply:
    """A response as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The inside of the envelope."""
        found: dict[str, Any] = json.loads(self.body)["error"]
        return found

    @property
    def closes(self) -> bool:
        """The connection ends with it, by its own word."""
        return self.headers.get("connection", "").lower() == "close"


class Connection:
    """One connection, on which requests follow each other."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._reader = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        self.socket.sendall(data)

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        """Send one request whole, and read its response."""
        self.send(head(method, path, **{"content_length": str(len(body)), **headers}) + body)
        return self.read(bodiless=method == "HEAD")

    def read(self, *, bodiless: bool = False) -> Reply:
        """The next response; one to HEAD has no body."""
        status = int(self._line().split()[1])
        headers: dict[str, str] = {}
        while line := self._line():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Reply(status, headers, b"" if bodiless or status == 204 else self._body(headers))

    def ended(self) -> bool:
        """Whether the other side has closed it, and nothing more came."""
        return self._reader.read(1) == b""

    def close(self) -> None:
        """Leave, whatever is under way."""
        self._reader.close()
        self.socket.close()

    def _line(self) -> str:
        line = self._reader.readline()
        assert line, "the connection ended where a response should have been"
        return line.decode("latin-1").rstrip("\r\n")

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return self._reader.read(int(headers.get("content-length", "0")))
        body = b""
        while size := int(self._line(), 16):
            body += self._reader.read(size)
            self._line()
        self._line()
        return body


@contextlib.contextmanager
def connection(port: int) -> Iterator[Connection]:
    """A connection that is closed at the end."""
    made = Connection(port)
    try:
        yield made
    finally:
        made.close()


def head(method: str, path: str, **headers: str) -> bytes:
    """The head of a request; header names with `_` for `-`."""
    lines = [
        f"{method} {path} HTTP/1.1",
        *(f"{name.replace('_', '-')}: {value}" for name, value in {"host": "127.0.0.1", **headers}.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunk(data: bytes) -> bytes:
    """One chunk of a body without a length."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def chat_body(**fields: Any) -> bytes:
    """A short chat with the fake model."""
    return json.dumps(
        {"model": "fake", "max_tokens": 2, "messages": [{"role": "user", "content": "Hi"}], **fields}
    ).encode()
