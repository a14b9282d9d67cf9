"""Body bytes → checked work. Every error names the field (`param`) and says what is accepted."""

from __future__ import annotations

from functools import partial

import msgspec

from gateway.api.dialect import TextRequest
from gateway.api.http.decoding import decode_body
from gateway.api.openai.chat_fields import check_fields
from gateway.api.openai.chat_schema import RawChatRequest
from gateway.api.openai.chat_writer import ChatWriter
from gateway.api.openai.controls_parse import controls_of, wants_usage
from gateway.api.openai.messages import messages_of
from gateway.api.openai.sampling_parse import logprobs_of
from gateway.api.openai.tools import choice_of, tools_of
from gateway.chat.ending import Ending
from gateway.errors import InvalidRequestError
from gateway.serving.work import Generate
from telemetry.events import Scalar
from telemetry.ignored_fields import kept

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Values of `reasoning_effort` that a record keeps: other words of a client are not its business."""

_decoder = msgspec.json.Decoder(RawChatRequest)


def parse_chat(body: bytes) -> TextRequest:
    """Decode and check.

    Raises:
        InvalidRequestError: with `param` set wherever one field is to blame.
    """
    raw = decode_body(_decoder, body)
    ignored = check_fields(body, raw)
    work = _work(body, raw, kept(ignored))
    return TextRequest(work, partial(ChatWriter, wants_usage(raw), work.logprobs is not None), raw.n or 1)


def _work(body: bytes, raw: RawChatRequest, ignored: tuple[str, ...]) -> Generate:
    tools = tools_of(raw.tools)
    choice = choice_of(raw.tool_choice, tools)
    messages = messages_of(raw.messages)
    controls = controls_of(body, raw, raw.max_completion_tokens or raw.max_tokens)
    if param := controls["constraint_param"] if tools and choice != "none" else "":
        text = f"`{param}` and `tools` exclude each other, unless `tool_choice` is `none`."
        raise InvalidRequestError(text, param=param)
    controls["params"] |= _choices(raw)
    return Generate(
        **controls,
        messages=messages,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=raw.parallel_tool_calls is not False,
        logprobs=logprobs_of(raw),
        progress=bool(raw.stream and raw.return_progress),
        truncate=raw.truncate == "auto",
        ending=_ending(raw),
        ignored=ignored,
    )


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
