"""The frames of one chat completion, made from its record: whole, or chunk by chunk."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

import msgspec

from gateway.api.openai.chat_schema import (
    AnswerDelta,
    AnswerMessage,
    ChatCompletion,
    ChatCompletionChunk,
    Choice,
    ChunkChoice,
    PromptTokensDetails,
    Timings,
    TruncationNote,
    Usage,
)
from gateway.api.openai.sse import DONE, sse
from gateway.serving.handle import Description
from telemetry.events import Phase
from telemetry.record import RequestRecord

_encode = msgspec.json.Encoder().encode

MAX_HEADER_CHARS = 1000
"""Of a header that grows with a request; proxies take 4 to 8 KiB for all of them."""

EMPTY = b'""'
CONTENT = b'"content":' + EMPTY
"""Where the text of a frame stands; no text that is quoted in JSON can hold it."""


class ChatWriter:
    """Writes the response of one request; the fingerprint is the engine configuration's."""

    def __init__(
        self, include_usage: bool, record: RequestRecord, model: str, description: Description
    ) -> None:
        self.id = f"chatcmpl-{record.request_id.removeprefix('req_')}"
        self._record = record
        self._model = model
        self._include_usage = include_usage
        self._fingerprint = f"fp_{description.config_id}"
        self._created = int(time.time())
        self._spoken = False
        self._before = self._after = b""

    def whole(self, text: str, now_ns: int) -> bytes:
        """The response when not streaming."""
        message = AnswerMessage("assistant", text)
        return _encode(
            ChatCompletion(
                id=self.id,
                object="chat.completion",
                created=self._created,
                model=self._model,
                choices=[Choice(0, message, self._record.finish_reason or "stop")],
                usage=self._usage(),
                timings=self._timings(now_ns),
                system_fingerprint=self._fingerprint,
                truncation=self._truncation(),
            )
        )

    @property
    def headers(self) -> dict[str, str]:
        """Response headers that tell of messages that were left out."""
        dropped = self._record.dropped_messages
        return {"x-firsttoken-dropped-messages": told_indexes(dropped)} if dropped else {}

    def piece(self, text: str) -> bytes:
        """A frame with text; before the first one, the frame that says who speaks."""
        role = self._role_chunk()
        if not self._before:
            chunk = self._chunk([ChunkChoice(0, AnswerDelta(content=""))])
            before, content, self._after = chunk.partition(CONTENT)
            self._before = before + content[: -len(EMPTY)]
        return b"".join((role, self._before, _encode(text), self._after))

    def last(self, now_ns: int) -> bytes:
        """The frames that end a stream: why it ended, the timings, the usage if asked for, and `[DONE]`."""
        role = self._role_chunk()
        ending = [ChunkChoice(0, AnswerDelta(), self._record.finish_reason or "stop")]
        if not self._include_usage:
            return role + self._chunk(ending, timings=self._timings(now_ns)) + DONE
        return (
            role
            + self._chunk(ending)
            + self._chunk([], usage=self._usage(), timings=self._timings(now_ns))
            + DONE
        )

    def _role_chunk(self) -> bytes:
        """The first frame, once."""
        if self._spoken:
            return b""
        self._spoken = True
        return self._chunk([ChunkChoice(0, AnswerDelta(role="assistant", content=""))])

    def _chunk(
        self, choices: list[ChunkChoice], *, usage: Usage | None = None, timings: Timings | None = None
    ) -> bytes:
        chunk = ChatCompletionChunk(
            id=self.id,
            object="chat.completion.chunk",
            created=self._created,
            model=self._model,
            choices=choices,
            system_fingerprint=self._fingerprint,
            usage=usage or msgspec.UNSET,
            timings=timings or msgspec.UNSET,
            truncation=self._truncation() if timings is not None else msgspec.UNSET,
        )
        return sse(_encode(chunk))

    def _truncation(self) -> TruncationNote | msgspec.UnsetType:
        record = self._record
        if not record.dropped_messages:
            return msgspec.UNSET
        return TruncationNote(list(record.dropped_messages), record.dropped_tokens)

    def _usage(self) -> Usage:
        record = self._record
        prompt, answer = record.prompt_tokens or 0, record.completion_tokens or 0
        return Usage(prompt, answer, prompt + answer, PromptTokensDetails(record.cached_tokens or 0))

    def _timings(self, now_ns: int) -> Timings:
        record, cache = self._record, self._record.cache
        assert cache is not None, "a request that was answered was looked up"
        return Timings(
            cache_n=cache.matched_tokens,
            prompt_n=(record.prompt_tokens or 0) - cache.matched_tokens,
            prompt_ms=_rounded(record.phase_ms(Phase.PREFILL)),
            prompt_per_second=_rounded(record.prefill_tps),
            predicted_n=record.completion_tokens or 0,
            predicted_ms=_rounded(record.phase_ms(Phase.DECODE)),
            predicted_per_second=_rounded(record.decode_tps),
            queue_ms=_rounded(record.phase_ms(Phase.QUEUE)),
            tokenize_ms=_rounded(record.phase_ms(Phase.TOKENIZE)),
            ttft_ms=_rounded(record.ttft_ms),
            total_ms=round((now_ns - record.started_ns) / 1e6, 3),
            cache_source=cache.source,
            cache_reason=cache.reason,
            context_bucket=record.context_bucket or "",
        )


def told_indexes(indexes: Sequence[int]) -> str:
    """Ascending indexes as a header may carry them: one by one, as ranges where that is too long, and cut where they are, too
    (the body has all of them).
    """
    one_by_one = ",".join(map(str, indexes))
    if len(one_by_one) <= MAX_HEADER_CHARS:
        return one_by_one
    told = ""
    for _, run in itertools.groupby(enumerate(indexes), key=lambda pair: pair[1] - pair[0]):
        first, *rest = (index for _, index in run)
        piece = f"{first}-{rest[-1]}" if rest else str(first)
        if len(told) + len(piece) > MAX_HEADER_CHARS:
            return f"{told}..."
        told += f"{piece},"
    return told.removesuffix(",")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
