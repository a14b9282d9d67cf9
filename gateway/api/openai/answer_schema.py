"""The wire form of the answers to chats, whole and in frames (OpenAI's names, our timings)."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from gateway.api.openai.chat_schema import ToolCall
from gateway.api.openai.logprobs import Logprobs


class PromptTokensDetails(msgspec.Struct):
    """Of the prompt's tokens, how many the prefix cache supplied."""

    cached_tokens: int


class CompletionTokensDetails(msgspec.Struct):
    """Of the answer's tokens, how many were the model's thinking."""

    reasoning_tokens: int


class Usage(msgspec.Struct):
    """Token counts; the answer's do not count the end-of-generation token."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails | UnsetType = UNSET


class Timings(msgspec.Struct):
    """Where the time went (milliseconds): llama-server's names, and ours. null = not measured."""

    cache_n: int
    prompt_n: int
    prompt_ms: float | None
    prompt_per_second: float | None
    predicted_n: int
    predicted_ms: float | None
    predicted_per_second: float | None
    queue_ms: float | None
    tokenize_ms: float | None
    ttft_ms: float | None
    total_ms: float
    cache_source: str
    cache_reason: str
    context_bucket: str


class TruncationNote(msgspec.Struct):
    """Messages of the request (by index) that were left out because the chat is longer than the context;
    null: their tokens were not counted, since the chat was far longer.
    """

    dropped_messages: list[int]
    dropped_tokens: int | None


class AnswerMessage(msgspec.Struct):
    """The whole answer. `content` is null where there are only calls; `reasoning_content` is the model's
    thinking.
    """

    role: Literal["assistant"]
    content: str | None
    refusal: None = None
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET


class Choice(msgspec.Struct):
    """One answer of a completion."""

    index: int
    message: AnswerMessage
    finish_reason: str
    logprobs: Logprobs | None = None


class ChatCompletion(msgspec.Struct):
    """The response when not streaming."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    timings: Timings
    system_fingerprint: str
    truncation: TruncationNote | UnsetType = UNSET


class FunctionDelta(msgspec.Struct, omit_defaults=True):
    """A piece of a call's arguments; the name comes with the first."""

    arguments: str
    name: str | UnsetType = UNSET


class ToolCallDelta(msgspec.Struct, omit_defaults=True):
    """What a chunk adds to the call of that number; id and type come with the first."""

    index: int
    function: FunctionDelta
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET


class AnswerDelta(msgspec.Struct, omit_defaults=True):
    """What one chunk adds."""

    role: str | UnsetType = UNSET
    content: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCallDelta] | UnsetType = UNSET


class ChunkChoice(msgspec.Struct):
    """What a chunk adds to one answer."""

    index: int
    delta: AnswerDelta
    finish_reason: str | None = None
    logprobs: Logprobs | None = None


class QueueNote(msgspec.Struct):
    """The request waits behind so many others; its first token is expected in so many milliseconds (null:
    not predicted).
    """

    ahead: int
    predicted_ttft_ms: float | None


class PromptProgress(msgspec.Struct):
    """How much of the prompt is computed, as llama-server tells it: tokens in all, from the cache, done;
    and since when.
    """

    total: int
    cache: int
    processed: int
    time_ms: float


class ChatCompletionChunk(msgspec.Struct, omit_defaults=True):
    """One frame of a stream; the last one carries `timings`, and `usage` when it was asked for. With
    `return_progress`, frames without text come before the answer: `queue`, then `prompt_progress`.
    """

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    system_fingerprint: str
    usage: Usage | UnsetType | None = UNSET
    timings: Timings | UnsetType = UNSET
    truncation: TruncationNote | UnsetType = UNSET
    queue: QueueNote | UnsetType = UNSET
    prompt_progress: PromptProgress | UnsetType = UNSET
