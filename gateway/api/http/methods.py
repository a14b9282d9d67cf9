"""Methods that every route has: `HEAD` wherever there is `GET` (RFC 9110, 9.1), which `Allow` says too,
and `OPTIONS *`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from gateway.api.http.responses import send_start

EVERYWHERE = "GET, HEAD, OPTIONS, POST"


class MethodsMiddleware:
    """Answers `HEAD` with what `GET` says about its answer, without the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
        elif scope["method"] == "HEAD":
            await self._head(scope, receive, send)
        elif scope["method"] == "OPTIONS" and scope["path"] == "*":
            await _options_of_the_server(send)
        else:
            await self._app(scope, receive, _telling_head(send) if scope["method"] == "OPTIONS" else send)

    async def _head(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Ask for the page, and stop at the first byte of it: a stream would never end."""
        scope["method"] = "GET"  # in place: the route that is found must be seen by whoever counts requests
        answer = _Bodiless(send)
        work = asyncio.ensure_future(self._app(scope, receive, answer.send))
        told = asyncio.ensure_future(answer.told.wait())
        try:
            await asyncio.wait({work, told}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            told.cancel()
            work.cancel()
            await asyncio.gather(told, work, return_exceptions=True)


class _Bodiless:
    """Sends the start of a response, with the length that its body would have where that is known."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Any = None
        self.told = asyncio.Event()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        start, self._start = self._start, None
        if message["type"] != "http.response.body" or start is None:
            return
        headers = list(start["headers"])
        if not message["more_body"] and not any(name.lower() == b"content-length" for name, _ in headers):
            headers.append((b"content-length", str(len(message["body"])).encode()))
        start["headers"] = headers
        await self._send(start)
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        self.told.set()


def allowing_head(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers of a response, with `HEAD` in an `Allow` that has `GET`."""
    return {name: _allow(value) if name.lower() == "allow" else value for name, value in headers.items()}


def _allow(value: str) -> str:
    methods = {method.strip() for method in value.split(",")}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def _telling_head(send: Send) -> Send:
    """`send` for what the framework answers to OPTIONS."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(name, value) for name, value in message["headers"] if name.lower() != b"allow"]
            told = [
                (name, _allow(value.decode("latin-1")).encode())
                for name, value in message["headers"]
                if name.lower() == b"allow"
            ]
            message["headers"] = headers + told
        await send(message)

    return sent


async def _options_of_the_server(send: Send) -> None:
    await send_start(send, 204, b"text/plain", {"allow": EVERYWHERE})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
