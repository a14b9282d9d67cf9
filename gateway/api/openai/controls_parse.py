"""What chats and completions ask for in the same words: the fields of `Controls`, checked."""

from __future__ import annotations

from typing import Any

from gateway.api.openai.chat_schema import Controls
from gateway.api.openai.sampling_parse import numbers_of, rules_of, sampling_of
from gateway.api.openai.structured import form_of
from gateway.errors import InvalidRequestError
from telemetry.events import Scalar
from telemetry.shortened import shortened

MAX_STOP_CHARS = 1000

MAX_METADATA_CHARS = 512
"""Of a value of `metadata`, as OpenAI has it."""


def controls_of(body: bytes, raw: Controls, max_tokens: int | None) -> dict[str, Any]:
    """The fields of `gateway.serving.work.Generate` that every generation has.

    Raises:
        InvalidRequestError: `param` names the field to blame.
    """
    form = form_of(body, raw)
    return {
        "model": raw.model,
        "sampling": sampling_of(raw),
        "rules": rules_of(raw, max_tokens),
        "keep_stop": bool(raw.include_stop_str_in_output),
        "max_tokens": max_tokens,
        "stop": stop_of(raw.stop),
        "stop_tokens": tuple(raw.stop_token_ids or ()),
        "stream": bool(raw.stream),
        "conversation": conversation_of(raw.metadata),
        "caller": caller_of(raw.user),
        "background": raw.priority == "background",
        "cache": raw.cache_prompt is not False,
        "pin": bool(raw.pin),
        "constraint": None if form is None else form.constraint,
        "constraint_param": "" if form is None else form.param,
        "params": params_of(raw),
    }


def wants_usage(raw: Controls) -> bool:
    """Whether a stream is to end with the token counts."""
    return raw.stream_options is not None and raw.stream_options.include_usage


def caller_of(user: str | None) -> str:
    """Whom a request shares the engine for: OpenAI's `user`."""
    return shortened(user or "")


def stop_of(stop: str | list[str] | None) -> tuple[str, ...]:
    """The strings that end an answer.

    Raises:
        InvalidRequestError: one is empty or too long.
    """
    strings = (stop,) if isinstance(stop, str) else tuple(stop or ())
    for index, text in enumerate(strings):
        if not 0 < len(text) <= MAX_STOP_CHARS:
            path = "stop" if isinstance(stop, str) else f"stop[{index}]"
            message = f"A stop string has 1 to {MAX_STOP_CHARS} characters."
            raise InvalidRequestError(message, code="invalid_value", param=path)
    return strings


def params_of(raw: Controls) -> dict[str, Scalar]:
    """Numbers for the record; never texts of the caller."""
    params = numbers_of(raw)
    limit = raw.max_completion_tokens or raw.max_tokens
    return params if limit is None else {**params, "max_tokens": limit}


def conversation_of(metadata: dict[str, Any] | None) -> str | None:
    """As it was sent: the store alone shortens what is too long for it (`telemetry.shortened`).

    Raises:
        InvalidRequestError: it is no text, or longer than OpenAI allows values of `metadata` to be.
    """
    given = (metadata or {}).get("conversation_id")
    if given is None or given == "":
        return None
    if not isinstance(given, str) or len(given) > MAX_METADATA_CHARS:
        told = f"it has {len(given):,} characters" if isinstance(given, str) else "it is no text"
        message = (
            f"`metadata.conversation_id` must be a text of at most {MAX_METADATA_CHARS} characters; {told}."
        )
        raise InvalidRequestError(message, param="metadata.conversation_id")
    return given
