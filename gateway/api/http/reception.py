"""The beginning of every request to an engine: its record is opened, its body read and checked, and it is admitted or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from litestar import Request
from litestar.datastructures import State

from gateway.api.http.body import BodyReader
from gateway.api.http.decoding import model_of
from gateway.api.http.exchange import exchange_of
from gateway.api.openai.answer import Serving
from gateway.errors import ApiError, ClientGoneError
from telemetry.events import Status
from telemetry.record import RequestRecord
from telemetry.recorder import Ended

Checked = TypeVar("Checked")


async def receive(
    request: Request[Any, Any, State],
    serving: Serving,
    bodies: BodyReader,
    *,
    operation: str,
    check: Callable[[bytes, RequestRecord], Checked],
) -> tuple[RequestRecord, Checked]:
    """Its record, admitted, and what `check` made of the body (it also fills in the record).

    Raises:
        ApiError: it is refused, which its record says too.
    """
    exchange, route = exchange_of(request.scope), str(request.scope["path_template"])  # not the path: clients may write that in many ways
    record = exchange.record = serving.recorder.open(
        request_id=exchange.request_id,
        route=route,
        api=route.removeprefix("/v1/").replace("/", "."),
        operation=operation,
        started_ns=exchange.started_ns,
        traceparent=exchange.headers.get("traceparent", ""),
        tracestate=exchange.headers.get("tracestate", ""),
        baggage=exchange.headers.get("baggage", ""),
        path=_path_as_sent(request.scope),
        host=exchange.headers.get("host", ""),
        user_agent=exchange.headers.get("user-agent", ""),
    )
    body = b""
    try:
        body = await bodies.read(request)
        checked = check(body, record)
    except ApiError as error:
        record.model = record.model or model_of(body)
        serving.recorder.admit(record)
        if not isinstance(error, ClientGoneError):  # that is how an exchange ends unless somebody says otherwise
            serving.recorder.rejected(error.code)
            exchange.ended = Ended(Status.ERROR, error.status, error.code, error.message)
        raise
    serving.recorder.admit(record)
    return record, checked


def _path_as_sent(scope: Any) -> str:
    """Undecoded, and without its query."""
    raw = scope.get("raw_path") or str(scope["path"]).encode()
    return bytes(raw).partition(b"?")[0].decode("latin-1")
