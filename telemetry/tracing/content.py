"""The content of a chat, as attributes of the `chat` span: only where
OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT asks for it.

Spans are built on the event loop, so it is little: the last messages, each cut, redacted as in the store.
"""

from __future__ import annotations

from typing import Any

import msgspec

from telemetry import semconv as names
from telemetry.content import words
from telemetry.record import RequestRecord
from telemetry.redact import Redactor

MAX_MESSAGES = 8
MAX_TEXT_CHARS = 2048


def content(record: RequestRecord, redactor: Redactor) -> dict[str, str]:
    """Messages in the form of the GenAI conventions, as JSON
    (attributes have no structure); nothing where nothing was noted.
    """
    said = record.content
    if said is None:
        return {}
    messages = [
        _message(str(message.get("role")), words(message), redactor)
        for message in said.messages[-MAX_MESSAGES:]
    ]
    found = {names.GEN_AI_INPUT_MESSAGES: msgspec.json.encode(messages).decode()}
    if said.answer:
        answer = _message("assistant", "".join(said.answer), redactor) | {
            "finish_reason": record.finish_reason or "error"
        }
        found[names.GEN_AI_OUTPUT_MESSAGES] = msgspec.json.encode([answer]).decode()
    return found


def _message(role: str, text: str, redactor: Redactor) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": redactor.redact(text, MAX_TEXT_CHARS)}]}
