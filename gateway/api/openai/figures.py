"""The figures of an answer, from its record: usage, timings, and what was left out of the prompt."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec

from gateway.api.openai.answer_schema import (
    CompletionTokensDetails,
    PromptTokensDetails,
    Timings,
    TruncationNote,
    Usage,
)
from telemetry.events import Phase
from telemetry.record import RequestRecord

MAX_HEADER_CHARS = 1000
"""Of a header that grows with a request; proxies take 4 to 8 KiB for all of them."""


def usage_of(record: RequestRecord) -> Usage:
    """Token counts; those of reasoning only where the model can think."""
    prompt, answer = record.prompt_tokens or 0, record.completion_tokens or 0
    usage = Usage(prompt, answer, prompt + answer, PromptTokensDetails(record.cached_tokens or 0))
    if record.reasoning_tokens is not None:
        usage.completion_tokens_details = CompletionTokensDetails(record.reasoning_tokens)
    return usage


def truncation_of(record: RequestRecord) -> TruncationNote | msgspec.UnsetType:
    """What was left out of the prompt."""
    if not record.dropped_messages:
        return msgspec.UNSET
    return TruncationNote(list(record.dropped_messages), record.dropped_tokens)


def truncation_headers(record: RequestRecord) -> dict[str, str]:
    """The same as a response header."""
    dropped = record.dropped_messages
    return {"x-firsttoken-dropped-messages": told_indexes(dropped)} if dropped else {}


def timings_of(record: RequestRecord, now_ns: int) -> Timings:
    """Where the time went until now."""
    cache = record.cache
    assert cache is not None, "a request that was answered was looked up"
    return Timings(
        cache_n=cache.matched_tokens,
        prompt_n=(record.prompt_tokens or 0) - cache.matched_tokens,
        prompt_ms=rounded(record.phase_ms(Phase.PREFILL)),
        prompt_per_second=rounded(record.prefill_tps),
        predicted_n=record.completion_tokens or 0,
        predicted_ms=rounded(record.phase_ms(Phase.DECODE)),
        predicted_per_second=rounded(record.decode_tps),
        queue_ms=rounded(record.phase_ms(Phase.QUEUE)),
        tokenize_ms=rounded(record.phase_ms(Phase.TOKENIZE)),
        ttft_ms=rounded(record.ttft_ms),
        total_ms=round((now_ns - record.started_ns) / 1e6, 3),
        cache_source=cache.source,
        cache_reason=cache.reason,
        context_bucket=record.context_bucket or "",
    )


def told_indexes(indexes: Sequence[int]) -> str:
    """Ascending indexes as a header may carry them: one by one, as ranges where that is too long, and cut
    where they are, too (the body has all of them).
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


def rounded(value: float | None) -> float | None:
    """Milliseconds, or a rate, to the third digit."""
    return None if value is None else round(value, 3)
