"""The beginning of every request to a model: its record is opened, its body read and checked, and it is
admitted or refused.
"""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.datastructures import State

from gateway.api.dialect import Endpoint, TextRequest, VectorRequest
from gateway.api.http.answering import EngineResponse, Serving, response_of
from gateway.api.http.body import BodyReader
from gateway.api.http.decoding import model_of
from gateway.api.http.exchange import Exchange, exchange_of
from gateway.errors import ApiError, ClientGoneError
from gateway.serving.router import Target
from gateway.serving.work import Generate
from telemetry.events import Status
from telemetry.record import RequestRecord
from telemetry.recorder import Ended

MAX_MODEL_CHARS = 200
"""Of a model's name that a record keeps."""


async def open_request(
    request: Request[Any, Any, State], serving: Serving, bodies: BodyReader, endpoint: Endpoint
) -> EngineResponse:
    """What answers a request, whose record is open and admitted.

    Raises:
        ApiError: it is refused, which its record says too.
    """
    exchange = exchange_of(request.scope)
    record = exchange.record = _open(request, exchange, serving, endpoint)
    body = b""
    try:
        body = await bodies.read(request)
        asked = endpoint.parse(body)
        target = _find(asked, record, serving)
    except ApiError as error:
        record.model = record.model or model_of(body)
        record.provider = serving.router.provider_of(record.model)
        serving.recorder.admit(record)
        # a client that has gone is how an exchange ends unless somebody says otherwise
        if not isinstance(error, ClientGoneError):
            serving.recorder.rejected(error.code)
            exchange.ended = Ended(Status.ERROR, error.status, error.code, error.message)
        raise
    serving.recorder.admit(record)
    return response_of(serving, target, record, asked, endpoint)


def _open(
    request: Request[Any, Any, State], exchange: Exchange, serving: Serving, endpoint: Endpoint
) -> RequestRecord:
    headers = exchange.headers
    return serving.recorder.open(
        request_id=exchange.request_id,
        route=endpoint.path,  # not the path as sent: clients may write that in many ways
        api=endpoint.api,
        operation=endpoint.operation,
        started_ns=exchange.started_ns,
        traceparent=headers.get("traceparent", ""),
        tracestate=headers.get("tracestate", ""),
        baggage=headers.get("baggage", ""),
        path=_path_as_sent(request.scope),
        host=headers.get("host", ""),
        user_agent=headers.get("user-agent", ""),
    )


def _find(asked: TextRequest | VectorRequest, record: RequestRecord, serving: Serving) -> Target:
    """What answers; the record is told what was asked for.

    Raises:
        ModelNotFoundError: no such model is served.
    """
    work = asked.work
    record.model = work.model[:MAX_MODEL_CHARS]
    record.stream = isinstance(work, Generate) and work.stream
    record.params = dict(work.params)
    record.conversation_id = work.conversation
    record.ignored_fields = work.ignored
    target = serving.router.find(work.model)
    record.provider = target.handle.provider
    return target


def _path_as_sent(scope: Any) -> str:
    """Undecoded, and without its query."""
    raw = scope.get("raw_path") or str(scope["path"]).encode()
    return bytes(raw).partition(b"?")[0].decode("latin-1")
