"""Body bytes → checked work. Every error names the field (`param`) and says what is accepted."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from gateway.api.dialect import TextRequest
from gateway.api.http.decoding import decode_body
from gateway.api.openai.chat_fields import check_fields
from gateway.api.openai.chat_schema import Controls, RawChatRequest
from gateway.api.openai.chat_writer import ChatWriter
from gateway.api.openai.messages import messages_of
from gateway.api.openai.sampling_parse import logprobs_of, numbers_of, rules_of, sampling_of
from gateway.api.openai.structured import FIELDS, Form, form_of
from gateway.api.openai.tools import choice_of, tools_of
from gateway.chat.ending import Ending
from gateway.errors import InvalidRequestError
from gateway.serving.work import Generate
from telemetry.events import Scalar
from telemetry.ignored_fields import kept
from telemetry.shortened import shortened

MAX_STOP_CHARS = 1000

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Values of `reasoning_effort` that a record keeps: other words of a client are not its business."""

MAX_METADATA_CHARS = 512
"""Of a value of `metadata`, as OpenAI has it."""

_decoder = msgspec.json.Decoder(RawChatRequest)


def parse_chat(body: bytes) -> TextRequest:
    """Decode and check.

    Raises:
        InvalidRequestError: with `param` set wherever one field is to blame.
    """
    raw = decode_body(_decoder, body)
    ignored = check_fields(body, raw)
    include_usage = raw.stream_options is not None and raw.stream_options.include_usage
    form = form_of(body, {name: getattr(raw, name, None) for name in FIELDS})
    work = _work(raw, form, kept(ignored))
    writer = partial(ChatWriter, include_usage, work.logprobs is not None)
    return TextRequest(work, writer, raw.n or 1)


def _work(raw: RawChatRequest, form: Form | None, ignored: tuple[str, ...]) -> Generate:
    tools = tools_of(raw.tools)
    choice = choice_of(raw.tool_choice, tools)
    if form is not None and tools and choice != "none":
        text = f"`{form.param}` and `tools` exclude each other, unless `tool_choice` is `none`."
        raise InvalidRequestError(text, param=form.param)
    return Generate(
        model=raw.model,
        messages=messages_of(raw.messages),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=raw.parallel_tool_calls is not False,
        constraint=None if form is None else form.constraint,
        constraint_param="" if form is None else form.param,
        sampling=sampling_of(raw),
        rules=rules_of(raw, raw.max_completion_tokens or raw.max_tokens),
        logprobs=logprobs_of(raw),
        keep_stop=bool(raw.include_stop_str_in_output),
        max_tokens=raw.max_completion_tokens or raw.max_tokens,
        stop=stop_of(raw.stop),
        stop_tokens=tuple(raw.stop_token_ids or ()),
        stream=bool(raw.stream),
        progress=bool(raw.stream and raw.return_progress),
        conversation=conversation_of(raw.metadata),
        caller=caller_of(raw.user),
        background=raw.priority == "background",
        cache=raw.cache_prompt is not False,
        pin=bool(raw.pin),
        truncate=raw.truncate == "auto",
        ending=_ending(raw),
        params=params_of(raw) | _choices(raw),
        ignored=ignored,
    )


def caller_of(user: str | None) -> str:
    """Whom a request shares the engine for: OpenAI's `user`."""
    return shortened(user or "")


def _ending(raw: RawChatRequest) -> Ending:
    """How the prompt ends, by the two fields that vLLM and Hugging Face's `apply_chat_template` have for
    it.
    """
    if not raw.continue_final_message:
        return "turn" if raw.add_generation_prompt is False else "generation_prompt"
    if raw.add_generation_prompt:
        message = "`continue_final_message` and `add_generation_prompt` exclude each other; send one of them."
        raise InvalidRequestError(message, param="continue_final_message")
    return "open_message"


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


def _choices(raw: RawChatRequest) -> dict[str, Scalar]:
    """What was asked for by one of a few words: the kind of output, and the effort of reasoning, which is
    not obeyed.
    """
    effort = raw.reasoning_effort
    asked = {
        "output_type": "text" if raw.response_format else None,
        "reasoning_level": effort if effort in EFFORTS else None,
    }
    return {name: word for name, word in asked.items() if word is not None}


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
