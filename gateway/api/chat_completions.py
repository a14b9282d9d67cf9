"""`POST /v1/chat/completions`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Request, post
from litestar.datastructures import State
from litestar.openapi.spec import Operation
from litestar.types import ASGIApp

from gateway.api.answer import Answer, Serving
from gateway.api.body import read_body
from gateway.api.chat_parse import Chat, model_of, parse_chat
from gateway.api.exchange import Exchange, exchange_of
from gateway.api.openapi import chat_operation
from gateway.errors import ApiError
from gateway.serving.router import Router
from telemetry.events import Status
from telemetry.record import RequestRecord
from telemetry.recorder import Ended

ROUTE = "/v1/chat/completions"


@dataclass
class ChatOperation(Operation):
    """Describes body and responses, which the handler reads and writes by hand."""

    def __post_init__(self) -> None:
        chat_operation(self)


@post(ROUTE, status_code=200, operation_class=ChatOperation, operation_id="createChatCompletion", tags=["chat"])
async def chat_completions(request: Request[Any, Any, State], serving: Serving, router: Router, max_body_bytes: int) -> ASGIApp:
    """Answer a chat with a model, whole or as a stream of server-sent events."""
    exchange = exchange_of(request.scope)
    record = _open(serving, exchange)
    body = b""
    try:
        body = await read_body(request, max_body_bytes)
        chat = parse_chat(body)
        _describe(record, chat)
        target = router.find(chat.model)
    except ApiError as error:
        record.model = record.model or model_of(body)
        serving.recorder.admit(record)
        serving.recorder.rejected(error.code)
        exchange.ended = Ended(Status.ERROR, error.status, error.code, error.message)
        raise
    serving.recorder.admit(record)
    return Answer(serving, target, record, chat)


def _open(serving: Serving, exchange: Exchange) -> RequestRecord:
    record = exchange.record = serving.recorder.open(
        request_id=exchange.request_id,
        route=ROUTE,
        api="chat.completions",
        operation="chat",
        started_ns=exchange.started_ns,
        traceparent=exchange.headers.get("traceparent", ""),
        tracestate=exchange.headers.get("tracestate", ""),
    )
    return record


def _describe(record: RequestRecord, chat: Chat) -> None:
    record.model = chat.model[:200]
    record.stream = chat.stream
    record.params = chat.params
    record.conversation_id = chat.conversation_id
