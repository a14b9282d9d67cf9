"""`POST /v1/chat/completions`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Request, post
from litestar.datastructures import State
from litestar.openapi.spec import Operation
from litestar.types import ASGIApp

from gateway.api.http.body import BodyReader
from gateway.api.http.openapi import chat_operation
from gateway.api.http.reception import receive
from gateway.api.openai.answer import Answer, Serving
from gateway.api.openai.chat_parse import Chat, parse_chat
from gateway.serving.router import Target
from telemetry.record import RequestRecord

ROUTE = "/v1/chat/completions"


@dataclass
class ChatOperation(Operation):
    """Describes body and responses, which the handler reads and writes by hand."""

    def __post_init__(self) -> None:
        chat_operation(self)


@post(ROUTE, status_code=200, operation_class=ChatOperation, operation_id="createChatCompletion", tags=["chat"])
async def chat_completions(request: Request[Any, Any, State], serving: Serving, bodies: BodyReader) -> ASGIApp:
    """Answer a chat with a model, whole or as a stream of server-sent events."""

    def check(body: bytes, record: RequestRecord) -> tuple[Chat, Target]:
        chat = parse_chat(body)
        record.model = chat.model[:200]
        record.stream = chat.stream
        record.params = chat.params
        record.conversation_id = chat.conversation_id
        record.ignored_fields = chat.ignored
        return chat, serving.router.find(chat.model)

    record, (chat, target) = await receive(request, serving, bodies, operation="chat", check=check)
    return Answer(serving, target, record, chat)
