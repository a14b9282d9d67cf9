"""The frames of one chat completion, made from its record: whole, or chunk by chunk."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import msgspec

from gateway.api.openai.answer_schema import (
    AnswerDelta,
    AnswerMessage,
    ChatCompletion,
    ChatCompletionChunk,
    Choice,
    ChunkChoice,
    FunctionDelta,
    PromptProgress,
    QueueNote,
    ToolCallDelta,
)
from gateway.api.openai.chat_schema import CalledFunction, ToolCall
from gateway.api.openai.figures import rounded, timings_of, truncation_headers, truncation_of, usage_of
from gateway.api.openai.logprobs import logprobs_of
from gateway.api.openai.sse import DONE, sse
from gateway.chat.parsing.events import CallArguments, CallBegin, Content, Reasoning
from gateway.serving.handle import Description
from gateway.serving.work import Answer, Delta, Piece, Prefilled, Queued, Scored
from telemetry.record import RequestRecord

_encode = msgspec.json.Encoder().encode

EMPTY = b'""'
CONTENT = b'"content":' + EMPTY
"""Where the text of a frame stands; no text that is quoted in JSON can hold it."""


class ChatWriter:
    """Writes the response of one request; the fingerprint is the engine configuration's. `logprobs`: they
    were asked for.
    """

    def __init__(
        self,
        include_usage: bool,
        logprobs: bool,
        record: RequestRecord,
        model: str,
        description: Description,
    ) -> None:
        self.id = f"chatcmpl-{record.request_id.removeprefix('req_')}"
        self._record = record
        self._model = model
        self._include_usage = include_usage
        self._logprobs = logprobs
        self._fingerprint = f"fp_{description.config_id}"
        self._created = int(time.time())
        self._spoken: set[int] = set()
        self._around: dict[int, tuple[bytes, bytes]] = {}

    def whole(self, answers: Sequence[Answer], now_ns: int) -> bytes:
        """The response when not streaming."""
        return _encode(
            ChatCompletion(
                id=self.id,
                object="chat.completion",
                created=self._created,
                model=self._model,
                choices=[_choice(index, answer, self._logprobs) for index, answer in enumerate(answers)],
                usage=usage_of(self._record),
                timings=timings_of(self._record, now_ns),
                system_fingerprint=self._fingerprint,
                truncation=truncation_of(self._record),
            )
        )

    @property
    def headers(self) -> dict[str, str]:
        """Response headers that tell of messages that were left out."""
        return truncation_headers(self._record)

    def pieces(self, pieces: Sequence[Piece]) -> bytes:
        """The frames of what came; texts that follow each other are one."""
        return b"".join(self._frames(pieces))

    def last(self, reasons: Sequence[str | None], now_ns: int) -> bytes:
        """The frames that end a stream: why each answer ended, the timings, the usage if asked for, and
        `[DONE]`.
        """
        roles = b"".join(self._role_chunk(index) for index in range(len(reasons)))
        endings = [
            ChunkChoice(index, AnswerDelta(), reason or "stop") for index, reason in enumerate(reasons)
        ]
        told = [self._chunk([ending]) for ending in endings[:-1]]
        if self._include_usage:
            told += [self._chunk(endings[-1:]), self._last_chunk([], now_ns, usage=True)]
        else:
            told.append(self._last_chunk(endings[-1:], now_ns, usage=False))
        return b"".join((roles, *told, DONE))

    def _frames(self, pieces: Sequence[Piece]) -> Iterator[bytes]:
        texts: list[str] = []
        speaker = 0
        for choice, delta in pieces:
            if isinstance(delta, Content) and (choice == speaker or not texts):
                speaker = choice
                texts.append(delta.text)
                continue
            if texts:
                yield self._text_frame(speaker, "".join(texts))
                texts.clear()
            if isinstance(delta, Content):
                speaker = choice
                texts.append(delta.text)
            elif isinstance(delta, Scored):
                yield self._role_chunk(choice) + self._scored_frame(choice, delta)
            elif isinstance(delta, Queued | Prefilled):
                yield self._role_chunk(choice) + self._progress_frame(choice, delta)
            elif (told := _delta(delta)) is not None:
                yield self._role_chunk(choice) + self._chunk([ChunkChoice(choice, told)])
        if texts:
            yield self._text_frame(speaker, "".join(texts))

    def _scored_frame(self, choice: int, told: Scored) -> bytes:
        """A frame with text and the log-probabilities of its tokens."""
        delta, logprobs = AnswerDelta(content=told.text), logprobs_of(told.logprobs)
        return self._chunk([ChunkChoice(choice, delta, logprobs=logprobs)])

    def _progress_frame(self, choice: int, told: Queued | Prefilled) -> bytes:
        """A frame without text, about the waiting."""
        chunk = self._frame([ChunkChoice(choice, AnswerDelta())])
        if isinstance(told, Queued):
            chunk.queue = QueueNote(told.ahead, rounded(told.predicted_ttft_ms))
        else:
            chunk.prompt_progress = PromptProgress(
                told.total, told.cached, told.done, round(told.elapsed_ms, 3)
            )
        return sse(_encode(chunk))

    def _text_frame(self, choice: int, text: str) -> bytes:
        """A frame with text; before the first one, the frame that says who speaks."""
        role = self._role_chunk(choice)
        if choice not in self._around:
            chunk = self._chunk([ChunkChoice(choice, AnswerDelta(content=""))])
            before, content, after = chunk.partition(CONTENT)
            self._around[choice] = before + content[: -len(EMPTY)], after
        before, after = self._around[choice]
        return b"".join((role, before, _encode(text), after))

    def _role_chunk(self, choice: int) -> bytes:
        """The first frame of an answer, once."""
        if choice in self._spoken:
            return b""
        self._spoken.add(choice)
        return self._chunk([ChunkChoice(choice, AnswerDelta(role="assistant", content=""))])

    def _chunk(self, choices: list[ChunkChoice]) -> bytes:
        return sse(_encode(self._frame(choices)))

    def _last_chunk(self, choices: list[ChunkChoice], now_ns: int, *, usage: bool) -> bytes:
        chunk = self._frame(choices)
        chunk.usage = usage_of(self._record) if usage else msgspec.UNSET
        chunk.timings, chunk.truncation = timings_of(self._record, now_ns), truncation_of(self._record)
        return sse(_encode(chunk))

    def _frame(self, choices: list[ChunkChoice]) -> ChatCompletionChunk:
        return ChatCompletionChunk(
            id=self.id,
            object="chat.completion.chunk",
            created=self._created,
            model=self._model,
            choices=choices,
            system_fingerprint=self._fingerprint,
        )


def _choice(index: int, answer: Answer, logprobs: bool) -> Choice:
    said = answer.message
    calls = [ToolCall(call.id, "function", CalledFunction(call.name, call.arguments)) for call in said.calls]
    message = AnswerMessage("assistant", said.content if said.content or not calls else None)
    message.tool_calls = calls or msgspec.UNSET
    message.reasoning_content = said.reasoning or msgspec.UNSET
    told = logprobs_of(answer.logprobs) if logprobs else None
    return Choice(index, message, answer.finish_reason or "stop", told)


def _delta(delta: Delta) -> AnswerDelta | None:
    """What a frame says of it; None where that is nothing for a client."""
    if isinstance(delta, Reasoning):
        return AnswerDelta(reasoning_content=delta.text)
    if isinstance(delta, CallBegin):
        return AnswerDelta(
            tool_calls=[ToolCallDelta(delta.index, FunctionDelta("", delta.name), delta.id, "function")]
        )
    if isinstance(delta, CallArguments):
        return AnswerDelta(tool_calls=[ToolCallDelta(delta.index, FunctionDelta(delta.text))])
    return None
