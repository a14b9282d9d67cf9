"""The wire form of completions: a prompt goes on, without messages and without a template."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from gateway.api.openai.answer_schema import Timings, Usage
from gateway.api.openai.chat_schema import Controls, ResponseFormat

MAX_PROMPTS = 64
"""Most prompts of one request."""

Prompt = str | list[str | int | list[int]]


class CompletionControls(Controls, kw_only=True):
    """Everything but the prompt and the form of the answer."""

    max_tokens: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = 16
    echo: bool | None = False


class CompletionRequest(CompletionControls, kw_only=True):
    """`POST /v1/completions`. `prompt`: a text, texts, tokens or lists of tokens; control tokens that are
    spelled out in a text are control tokens. `echo` gives the prompt back before the answer.
    """

    prompt: Prompt
    response_format: ResponseFormat | None = None


class RawCompletionRequest(CompletionControls, kw_only=True):
    """With a prompt that is decoded by its form, and with the fields that are not served."""

    prompt: msgspec.Raw
    suffix: Any = None
    best_of: Any = None
    logprobs: Any = None


class CompletionChoice(msgspec.Struct):
    """One answer, or what a chunk adds to it."""

    index: int
    text: str
    finish_reason: str | None
    logprobs: None = None


class Completion(msgspec.Struct, omit_defaults=True):
    """The response, or one frame of a stream; the last frame carries `timings`, and `usage` when it was
    asked for.
    """

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    system_fingerprint: str
    usage: Usage | UnsetType = UNSET
    timings: Timings | UnsetType = UNSET
