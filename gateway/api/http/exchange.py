"""Every HTTP exchange measured from its first moment to its last byte, and its request record closed exactly
once.

This is the outermost middleware: `started_ns` is the first moment at which our code sees a request (its
headers are parsed), and time spent in `send` is time that the client (or the server's buffer) made us wait.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.dialect import Dialect, Dialects
from gateway.api.http.incoming import IncomingBody
from telemetry.events import Phase, Status
from telemetry.record import ENGINE_PHASES, RequestRecord
from telemetry.recorder import Ended, Recorder
from telemetry.trace_ids import TraceIds

LAST_SENDS = 64
"""Remembered of an exchange: more are never sent after the last token."""

REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class HttpMeter(Protocol):
    """Where finished HTTP exchanges are counted."""

    def http_started(self, method: str) -> None:
        """An exchange began."""

    def http_request(
        self, method: str, route: str, status: int, duration_s: float, trace: TraceIds | None
    ) -> None:
        """An exchange ended; `route` is the template, not the path, or empty where nothing matched. `trace`
        is there when it was a request to a model.
        """


@dataclass(slots=True)
class Exchange:
    """One HTTP request and its response. `record` is there when it is a request to a model; errors are
    told in `dialect`.
    """

    request_id: str
    started_ns: int
    dialect: Dialect
    record: RequestRecord | None = None
    ended: Ended | None = None
    status: int = 0
    chunks: int = 0
    body_bytes: int = 0
    first_body_ns: int | None = None
    blocked_ns: int = 0
    sends: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=LAST_SENDS))
    headers: dict[str, str] = field(default_factory=dict)


def exchange_of(scope: Any) -> Exchange:
    """The exchange that a scope belongs to."""
    exchange: Exchange = scope["state"]["exchange"]
    return exchange


class ExchangeMiddleware:
    """Opens an `Exchange`, adds `x-request-id` to the response, and closes exchange and record."""

    def __init__(
        self,
        app: ASGIApp,
        recorder: Recorder,
        meter: HttpMeter,
        dialects: Dialects,
        on_ended: Callable[[float], None],
    ) -> None:
        self._app = app
        self._dialects = dialects
        self._recorder = recorder
        self._meter = meter
        self._on_ended = on_ended
        self._running: set[asyncio.Task[Any]] = set()
        self._closing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        started_ns, dialect = self._recorder.clock_ns(), self._dialects.of(scope["path"])
        exchange = Exchange(request_id(headers.get("x-request-id", "")), started_ns, dialect, headers=headers)
        scope.setdefault("state", {})["exchange"] = exchange
        method, body = scope["method"], IncomingBody(receive, headers)
        self._meter.http_started(method)

        async def measured_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", exchange.request_id.encode())]
                if not body.whole:
                    body.announce(message)
            before_ns = self._recorder.clock_ns()
            await send(message)
            if message["type"] == "http.response.body":
                self._note_body(exchange, len(message["body"]), before_ns)

        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            try:
                await self._app(scope, receive if body.whole else body.receive, measured_send)
            finally:
                self._close(exchange, method, scope)
            if not body.whole:
                await body.discard()
        except asyncio.CancelledError:
            if not self._closing:
                raise
        finally:
            self._running.discard(task)

    def close(self) -> None:
        """End every exchange that still runs: a page that follows along would never end by itself."""
        self._closing = True
        for task in self._running:
            task.cancel()

    def _note_body(self, exchange: Exchange, size: int, before_ns: int) -> None:
        now_ns = self._recorder.clock_ns()
        exchange.blocked_ns += now_ns - before_ns
        exchange.sends.append((before_ns, now_ns))
        if size:
            exchange.chunks += 1
            exchange.body_bytes += size
            exchange.first_body_ns = exchange.first_body_ns or now_ns

    def _close(self, exchange: Exchange, method: str, scope: Scope) -> None:
        now_ns = self._recorder.clock_ns()
        duration_s = (now_ns - exchange.started_ns) / 1e9
        route = str(scope.get("path_template") or "")
        record = exchange.record
        self._meter.http_request(
            method, route, exchange.status or 499, duration_s, None if record is None else record.trace
        )
        if record is None:
            return
        if record.phase(Phase.ADMIT) is None:
            self._recorder.phase(record, Phase.ADMIT, record.started_ns, now_ns)
        record.client_blocked_ns = exchange.blocked_ns
        record.client_blocked_tail_ns = _blocked_since(exchange, record.last_token_ns or now_ns)
        record.first_chunk_ns = exchange.first_body_ns
        self._add_stream(exchange, record, now_ns)
        self._recorder.close(record, exchange.ended or _implicit_end(exchange))
        if record.status is Status.OK:
            self._on_ended(duration_s)

    def _add_stream(self, exchange: Exchange, record: RequestRecord, now_ns: int) -> None:
        """From the first token sampled to the last byte handed over: the way back from the engine belongs to
        it.

        An answer without a token begins its way back where the engine's last phase ended.
        """
        engine_ns = max(
            (timing.end_ns for timing in record.phases if timing.phase in ENGINE_PHASES), default=None
        )
        start_ns = record.first_token_ns or engine_ns
        if start_ns is not None:
            self._recorder.phase(
                record,
                Phase.STREAM,
                start_ns,
                now_ns,
                chunks=exchange.chunks,
                bytes=exchange.body_bytes,
                blocked_s=round(exchange.blocked_ns / 1e9, 6),
            )


def _implicit_end(exchange: Exchange) -> Ended:
    """How an exchange ended whose handler did not say: by a defect of ours, or because the client left."""
    if exchange.status >= 500:
        return Ended(
            Status.ERROR,
            exchange.status,
            "internal_error",
            "the gateway failed on this request; its log says why",
        )
    return Ended(Status.CANCELLED, 499, "client_disconnect", "the client closed the connection")


def _blocked_since(exchange: Exchange, last_token_ns: int) -> int:
    """Nanoseconds of waiting for the client after the last token: before it, they are hidden behind
    decode.
    """
    return sum(max(0, end_ns - max(start_ns, last_token_ns)) for start_ns, end_ns in exchange.sends)


def request_id(given: str) -> str:
    """The client's id when it is a decent one, else a new one."""
    return given if REQUEST_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"
