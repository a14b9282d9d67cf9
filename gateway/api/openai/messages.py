"""Messages of a chat request, checked part by part, as chat templates know them."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.api.openai.chat_schema import RawMessage
from gateway.api.openai.tools import calls_of
from gateway.errors import InvalidRequestError

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
"""Accepted roles, and what chat templates call them."""


def messages_of(messages: list[RawMessage]) -> list[dict[str, Any]]:
    """All messages.

    Raises:
        InvalidRequestError: `param` names the message and the field.
    """
    if not messages:
        text = "`messages` is empty; send at least one message."
        raise InvalidRequestError(text, code="empty_messages", param="messages")
    return [_message(message, f"messages[{index}]") for index, message in enumerate(messages)]


def _message(message: RawMessage, path: str) -> dict[str, Any]:
    role = _role(message, path)
    if role == "tool":
        return _result(message, path)
    if role == "assistant":
        return _said(message, path)
    if message.tool_calls:
        text = "Only messages of the assistant have `tool_calls`."
        raise InvalidRequestError(text, param=f"{path}.tool_calls")
    return {"role": role, "content": _content(message.content, f"{path}.content")}


def _role(message: RawMessage, path: str) -> str:
    if message.role is msgspec.UNSET:
        text = f"`{path}` has no role."
        raise InvalidRequestError(text, code="missing_required_parameter", param=f"{path}.role")
    role = ROLES.get(str(message.role))
    if role is None:
        text = f"The role {str(message.role)[:50]!r} is not supported; use one of {', '.join(ROLES)}."
        raise InvalidRequestError(text, code="invalid_role", param=f"{path}.role")
    return role


def _said(message: RawMessage, path: str) -> dict[str, Any]:
    """What the assistant said: text, calls, or both; and what it thought, where the client gives that
    back.
    """
    made: dict[str, Any] = {"role": "assistant"}
    calls = calls_of(message.tool_calls, f"{path}.tool_calls") if message.tool_calls else []
    nothing = message.content is None and calls
    made["content"] = None if nothing else _content(message.content, f"{path}.content")
    if calls:
        made["tool_calls"] = calls
    thought = message.reasoning_content or message.reasoning
    if thought:
        made["reasoning_content"] = _content(thought, f"{path}.reasoning_content")
    return made


def _result(message: RawMessage, path: str) -> dict[str, Any]:
    """What a tool gave back."""
    if not isinstance(message.tool_call_id, str):
        text = "The result of a tool needs the `tool_call_id` that it answers."
        raise InvalidRequestError(text, code="missing_required_parameter", param=f"{path}.tool_call_id")
    made = {
        "role": "tool",
        "content": _content(message.content, f"{path}.content"),
        "tool_call_id": message.tool_call_id,
    }
    return made if message.name is None else {**made, "name": message.name}


def _content(content: Any, path: str) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        text = "`content` must be a text or a list of text parts."
        raise InvalidRequestError(text, code="invalid_content", param=path)
    if not content:
        raise InvalidRequestError("`content` has no parts.", code="invalid_content", param=path)
    return "\n".join(_part(part, f"{path}[{index}]") for index, part in enumerate(content))


def _part(part: Any, path: str) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind != "text":
        text = f"Content parts of type {str(kind)[:50]!r} are not supported; only `text` is."
        raise InvalidRequestError(text, code="unsupported_content", param=f"{path}.type")
    if not isinstance(part.get("text"), str):
        raise InvalidRequestError("A text part needs a `text`.", code="invalid_content", param=f"{path}.text")
    return str(part["text"])
