"""The wire form of chat completions: what we read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.api.openai.sampling_schema import SamplingControls

Count = Annotated[int, Meta(ge=1, le=2**31 - 1)]


MAX_ANSWERS = 16
"""Most answers to one request (`n`)."""


class Function(msgspec.Struct, omit_defaults=True):
    """A function: its name, what it is for, and the JSON Schema of its arguments."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(msgspec.Struct):
    """A tool that the model may call; functions are the only kind."""

    type: str
    function: Function


class TextPart(msgspec.Struct, tag_field="type", tag="text"):
    """A content part; text is the only kind that is served."""

    text: str


class CalledFunction(msgspec.Struct):
    """The function that a call is of, and its arguments: a JSON object, as text."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct):
    """A call to a tool."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class ChatMessage(msgspec.Struct):
    """One message. `role`: system, developer, user, assistant or tool; `content`: a text or a list of text
    parts, null beside `tool_calls` of the assistant; a tool's message has the `tool_call_id` that it answers.
    """

    role: str
    content: str | list[TextPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None


class RawMessage(msgspec.Struct):
    """A message before its parts are checked one by one, so that an error can name the part."""

    role: str | UnsetType = UNSET
    content: Any = None
    name: str | None = None
    tool_calls: Any = None
    tool_call_id: Any = None
    reasoning_content: Any = None
    reasoning: Any = None


class NamedSchema(msgspec.Struct):
    """A JSON Schema with a name. The schema is obeyed in any case, so that `strict` makes no difference."""

    schema: dict[str, Any]
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class ResponseFormat(msgspec.Struct):
    """The form of the answer: any text, any JSON object, or a document that a schema validates."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = None


class StreamOptions(msgspec.Struct):
    """`include_usage` asks for a last chunk with the token counts."""

    include_usage: bool = False


class Controls(SamplingControls, kw_only=True):
    """Everything but the messages. Fields that we know and cannot serve are read so that they can be
    refused.
    """

    model: str
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=MAX_ANSWERS)] | None = 1
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    stop: str | Annotated[list[str], Meta(max_length=16)] | None = None
    stop_token_ids: Annotated[list[Annotated[int, Meta(ge=0, le=2**31 - 1)]], Meta(max_length=64)] | None = (
        None
    )
    metadata: dict[str, Any] | None = None
    user: str | None = None
    cache_prompt: bool | None = True
    pin: bool | None = False
    priority: Literal["interactive", "background"] | None = "interactive"
    response_format: Any = None
    json_schema: Any = None
    grammar: Any = None
    guided_json: Any = None
    guided_json_object: Any = None
    guided_regex: Any = None
    guided_choice: Any = None
    guided_grammar: Any = None
    structured_outputs: Any = None


class ChatControls(Controls, kw_only=True):
    """What only chats have."""

    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    truncate: Literal["auto", "off"] | None = "off"
    parallel_tool_calls: bool | None = True
    return_progress: bool | None = False
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = False


class ChatRequest(ChatControls, kw_only=True):
    """`POST /v1/chat/completions`. `tool_choice`: auto, none, required, or an object that names a
    function.
    """

    messages: list[ChatMessage]
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: ResponseFormat | None = None


class RawChatRequest(ChatControls, kw_only=True):
    """The same, with messages unchecked and with the fields of the API that are not served."""

    messages: list[RawMessage]
    tools: list[Any] | None = None
    tool_choice: Any = None
    functions: Any = None
    function_call: Any = None
    modalities: Any = None
    audio: Any = None
    prediction: Any = None
    web_search_options: Any = None
    reasoning_effort: Any = None
