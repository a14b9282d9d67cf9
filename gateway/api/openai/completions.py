"""`POST /v1/completions`: body → work, and answers → text completions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from gateway.api.dialect import TextRequest
from gateway.api.http.decoding import decode_body
from gateway.api.openai.chat_fields import REFUSED, refuse, unknown_fields
from gateway.api.openai.completion_schema import (
    MAX_PROMPTS,
    Completion,
    CompletionChoice,
    RawCompletionRequest,
)
from gateway.api.openai.controls_parse import controls_of, wants_usage
from gateway.api.openai.embedding_input import inputs_of
from gateway.api.openai.figures import timings_of, usage_of
from gateway.api.openai.sse import DONE, sse
from gateway.chat.parsing.events import Content
from gateway.errors import InvalidRequestError
from gateway.serving.handle import Description
from gateway.serving.work import Answer, Generate, Piece
from telemetry.ignored_fields import kept
from telemetry.record import RequestRecord

_decoder = msgspec.json.Decoder(RawCompletionRequest)
_encode = msgspec.json.Encoder().encode

NOT_SERVED: dict[str, tuple[Any, ...]] = {
    "suffix": (None, {}, ""),
    "best_of": (None, 1, {}, ""),
    "logprobs": (None, {}, ""),
}
"""Fields of completions alone that are refused, and the values at which they ask for nothing."""


def parse_completion(body: bytes) -> TextRequest:
    """Check a request for a completion.

    Raises:
        InvalidRequestError: `param` names the field to blame.
    """
    raw = decode_body(_decoder, body)
    ignored = _check_fields(body, raw)
    prompts = _prompts(raw)
    controls = controls_of(body, raw, raw.max_tokens or raw.max_completion_tokens)
    first = Generate(**controls, messages=[], prompt=prompts[0], ignored=kept(ignored))
    echoed = [prompt if isinstance(prompt, str) else "" for prompt in prompts] if raw.echo else []
    writer = partial(CompletionWriter, wants_usage(raw), echoed, raw.n or 1)
    return TextRequest(first, writer, raw.n or 1, tuple(prompts[1:]))


def _check_fields(body: bytes, raw: RawCompletionRequest) -> list[str]:
    for name in NOT_SERVED:
        refuse(name, getattr(raw, name), NOT_SERVED)
    ignored = unknown_fields(body, raw.__struct_fields__)
    for name, value in ignored.items():
        if name in REFUSED:
            refuse(name, value)
    return [name for name in ignored if name not in REFUSED]


def _prompts(raw: RawCompletionRequest) -> list[str | list[int]]:
    prompts = inputs_of(raw.prompt, "prompt")
    if len(prompts) > MAX_PROMPTS:
        text = f"There are {len(prompts)} prompts; the most is {MAX_PROMPTS}."
        raise InvalidRequestError(text, param="prompt")
    if raw.echo and any(not isinstance(prompt, str) for prompt in prompts):
        raise InvalidRequestError("`echo` is served for texts, not for tokens.", param="echo")
    return prompts


class CompletionWriter:
    """Writes the response of one request. `echoed` are the prompts where they are to be given back, `n`
    the answers to each.
    """

    def __init__(
        self,
        include_usage: bool,
        echoed: Sequence[str],
        n: int,
        record: RequestRecord,
        model: str,
        description: Description,
    ) -> None:
        self.id = f"cmpl-{record.request_id.removeprefix('req_')}"
        self._include_usage = include_usage
        self._echoed = [prompt for prompt in echoed for _ in range(n)]
        self._record = record
        self._model = model
        self._fingerprint = f"fp_{description.config_id}"
        self._created = int(time.time())
        self._begun: set[int] = set()

    @property
    def headers(self) -> dict[str, str]:
        """None of its own."""
        return {}

    def whole(self, answers: Sequence[Answer], now_ns: int) -> bytes:
        """The response when not streaming."""
        told = self._completion([self._choice(index, answer) for index, answer in enumerate(answers)])
        told.usage, told.timings = usage_of(self._record), timings_of(self._record, now_ns)
        return _encode(told)

    def pieces(self, pieces: Sequence[Piece]) -> bytes:
        """A frame for each piece of text."""
        return b"".join(
            self._frame(choice, delta.text) for choice, delta in pieces if isinstance(delta, Content)
        )

    def last(self, reasons: Sequence[str | None], now_ns: int) -> bytes:
        """The frames that end a stream: why each answer ended, the timings, the usage if asked for, and
        `[DONE]`.
        """
        unsaid = [self._frame(index, "") for index in range(len(reasons)) if index not in self._begun]
        endings = [CompletionChoice(index, "", reason or "stop") for index, reason in enumerate(reasons)]
        frames = [sse(_encode(self._completion([ending]))) for ending in endings]
        told = self._completion([])
        told.timings = timings_of(self._record, now_ns)
        if self._include_usage:
            told.usage = usage_of(self._record)
        return b"".join((*unsaid, *frames, sse(_encode(told)), DONE))

    def _frame(self, choice: int, text: str) -> bytes:
        if choice not in self._begun:
            self._begun.add(choice)
            text = (self._echoed[choice] if self._echoed else "") + text
        return sse(_encode(self._completion([CompletionChoice(choice, text, None)])))

    def _choice(self, index: int, answer: Answer) -> CompletionChoice:
        echoed = self._echoed[index] if self._echoed else ""
        return CompletionChoice(index, echoed + answer.message.content, answer.finish_reason or "stop")

    def _completion(self, choices: list[CompletionChoice]) -> Completion:
        return Completion(
            id=self.id,
            object="text_completion",
            created=self._created,
            model=self._model,
            choices=choices,
            system_fingerprint=self._fingerprint,
        )
