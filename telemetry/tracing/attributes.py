"""Attributes of a request's spans: from a record's fields and a phase's short keys to their conventional
names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from telemetry import semconv as names
from telemetry.client_kinds import OTHER
from telemetry.events import Phase, PhaseTiming, PrefillChunk, Scalar, Status
from telemetry.record import RequestRecord

Value = Scalar | Sequence[str]
Attributes = dict[str, Value]

PARAMS: dict[str, tuple[str, type]] = {
    "max_tokens": (names.GEN_AI_REQUEST_MAX_TOKENS, int),
    "temperature": (names.GEN_AI_REQUEST_TEMPERATURE, float),
    "top_p": (names.GEN_AI_REQUEST_TOP_P, float),
    "top_k": (names.GEN_AI_REQUEST_TOP_K, int),
    "seed": (names.GEN_AI_REQUEST_SEED, int),
    "frequency_penalty": (names.GEN_AI_REQUEST_FREQUENCY_PENALTY, float),
    "presence_penalty": (names.GEN_AI_REQUEST_PRESENCE_PENALTY, float),
    "output_type": (names.GEN_AI_OUTPUT_TYPE, str),
    "reasoning_level": (names.GEN_AI_REQUEST_REASONING_LEVEL, str),
}
"""Key of `RequestRecord.params` → attribute and its type in the convention."""

PHASE_KEYS: dict[Phase, dict[str, str]] = {
    Phase.RENDER: {"characters": names.RENDER_CHARACTERS},
    Phase.TOKENIZE: {"tokens": names.TOKENIZE_TOKENS, "characters": names.TOKENIZE_CHARACTERS},
    Phase.QUEUE: {
        "position": names.QUEUE_POSITION,
        "depth": names.QUEUE_DEPTH_AT_ENTRY,
        "reason": names.QUEUE_REASON,
    },
    Phase.CACHE_RESTORE: {"bytes": names.CACHE_BYTES, "source": names.CACHE_SOURCE},
    Phase.PREFILL: {
        "tokens": names.PREFILL_TOKENS,
        "cached": names.PREFILL_CACHED_TOKENS,
        "computed": names.PREFILL_COMPUTED_TOKENS,
    },
    Phase.DECODE: {
        "tokens": names.DECODE_TOKENS,
        "steps": names.DECODE_STEPS,
        "mean_batch": names.DECODE_MEAN_BATCH,
        "draft": names.DECODE_DRAFT_TOKENS,
        "accepted": names.DECODE_ACCEPTED_TOKENS,
        "draft_model": names.DECODE_DRAFT_MODEL_TOKENS,
        "draft_model_accepted": names.DECODE_DRAFT_MODEL_ACCEPTED_TOKENS,
    },
    Phase.STREAM: {
        "chunks": names.STREAM_CHUNKS,
        "bytes": names.STREAM_BYTES,
        "blocked_s": names.STREAM_BLOCKED_S,
    },
}
"""Key of `PhaseTiming.attributes` → attribute; other keys stay in the store."""


def server(record: RequestRecord) -> Attributes:
    """Of the server span (HTTP conventions): what a client did wrong, or that it left, is no error of the
    server.
    """
    return _present(
        {
            names.HTTP_REQUEST_METHOD: record.method,
            names.HTTP_ROUTE: record.route,
            names.URL_PATH: record.path or record.route,
            names.URL_SCHEME: "http",
            names.SERVER_ADDRESS: record.server_address or None,
            names.SERVER_PORT: record.server_port,
            names.HTTP_RESPONSE_STATUS_CODE: record.http_status,
            names.ERROR_TYPE: record.error_type if failed(record) else None,
            names.REQUEST_ID: record.request_id,
            **{f"{names.BAGGAGE}.{key}": value for key, value in record.baggage.items()},
        }
    )


def failed(record: RequestRecord) -> bool:
    """Whether the server failed: by its status, or in a stream that had begun with a good one."""
    status = record.http_status or 0
    return status >= 500 or (status < 400 and record.status is Status.ERROR)


def inference(record: RequestRecord, *, capture_content: bool) -> Attributes:
    """Of the span `{operation} {model}` (GenAI conventions); stop sequences are content, so only when
    asked for.
    """
    attributes: Attributes = _present(
        {
            names.GEN_AI_OPERATION_NAME: record.operation,
            names.GEN_AI_PROVIDER_NAME: record.provider,
            names.GEN_AI_REQUEST_MODEL: record.model,
            names.GEN_AI_REQUEST_STREAM: record.stream or None,
            names.GEN_AI_RESPONSE_ID: record.response_id,
            names.GEN_AI_RESPONSE_MODEL: record.response_model,
            names.GEN_AI_RESPONSE_FINISH_REASONS: _finish_reasons(record),
            names.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: _seconds(record.first_chunk_ms),
            names.GEN_AI_USAGE_INPUT_TOKENS: record.prompt_tokens,
            names.GEN_AI_USAGE_OUTPUT_TOKENS: record.completion_tokens,
            names.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: record.cached_tokens,
            names.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: record.cache_written_tokens,
            names.GEN_AI_CONVERSATION_ID: record.conversation_id,
            names.CLIENT_KIND: None if record.client == OTHER else record.client,
            names.CONTENTION_SHARE: record.contention_share,
            names.ERROR_TYPE: record.error_type,
            names.REQUEST_IGNORED_FIELDS: tuple(record.ignored_fields) or None,
        }
    )
    attributes |= {
        name: kind(record.params[key]) for key, (name, kind) in PARAMS.items() if key in record.params
    }
    if capture_content and "stop_sequences" in record.params:
        attributes[names.GEN_AI_REQUEST_STOP_SEQUENCES] = _texts(record.params["stop_sequences"])
    return attributes


def _finish_reasons(record: RequestRecord) -> tuple[str, ...] | None:
    """Of the one answer; `error`, by the convention, where one was expected and did not come to its end."""
    if record.finish_reason:
        return (record.finish_reason,)
    expected = record.operation != "embeddings" and record.status in (Status.ERROR, Status.CANCELLED)
    return ("error",) if expected else None


def phase(record: RequestRecord, timing: PhaseTiming) -> Attributes:
    """Of one phase's span."""
    keys = PHASE_KEYS.get(timing.phase, {})
    attributes: Attributes = {keys[key]: value for key, value in timing.attributes.items() if key in keys}
    if timing.phase is Phase.ADMIT:
        attributes[names.ADMIT_DECISION] = _decision(record)
    elif timing.phase is Phase.CACHE_LOOKUP:
        attributes |= _cache(record)
    elif timing.phase is Phase.PREFILL:
        attributes |= _present({names.PREFILL_TOKENS_PER_SECOND: record.prefill_tps})
    elif timing.phase is Phase.DECODE:
        attributes |= _decode(record)
    return attributes


def chunk(part: PrefillChunk, merged: int) -> Attributes:
    """Of one prefill chunk's span; `merged` counts the engine steps in it."""
    attributes: Attributes = {
        names.PREFILL_CHUNK_TOKENS: part.tokens,
        names.PREFILL_CHUNK_SEQUENCES: part.sequences,
    }
    return attributes if merged == 1 else attributes | {names.PREFILL_CHUNK_MERGED: merged}


def _decision(record: RequestRecord) -> str:
    """`admitted`, or the `error.type` of a request that went no further (one whose client left goes on to
    nowhere as well).
    """
    went_on = any(timing.phase is not Phase.ADMIT for timing in record.phases)
    return "admitted" if went_on or record.error_type is None else record.error_type


def _cache(record: RequestRecord) -> Attributes:
    if record.cache is None:
        return {}
    return _present(
        {
            names.CACHE_MATCHED_TOKENS: record.cache.matched_tokens,
            names.CACHE_SOURCE: record.cache.source.value,
            names.CACHE_REASON: record.cache.reason.value,
            names.CACHE_DIVERGENCE_TOKEN: record.cache.divergence_token,
            names.CACHE_DIVERGENCE_MESSAGE: record.cache.divergence_message,
        }
    )


def _decode(record: RequestRecord) -> Attributes:
    return _present(
        {
            names.DECODE_TOKENS_PER_SECOND: record.decode_tps,
            names.DECODE_INTER_TOKEN_P50_S: _seconds(record.gap_ms(0.5)),
            names.DECODE_INTER_TOKEN_P95_S: _seconds(record.gap_ms(0.95)),
            names.DECODE_INTER_TOKEN_MAX_S: _seconds(record.gap_ms(1.0)),
            names.DECODE_STALLS: record.stalls if record.gaps_us else None,
        }
    )


def _present(values: Mapping[str, Value | None]) -> Attributes:
    """What was measured: an attribute without a value is left out."""
    return {name: value for name, value in values.items() if value is not None}


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1e3


def _texts(value: Scalar) -> tuple[str, ...]:
    """A JSON list of texts; anything else counts as one text."""
    try:
        parsed = json.loads(str(value))
    except ValueError:
        parsed = value
    return tuple(str(item) for item in parsed) if isinstance(parsed, list) else (str(parsed),)
