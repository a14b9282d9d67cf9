"""From records and engine configurations to rows; pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Table

from telemetry.events import EngineConfig, Phase
from telemetry.record import RequestRecord
from telemetry.shortened import shortened
from telemetry.store.models import Base

Row = dict[str, Any]

TABLES = Base.metadata.tables


def _limits(table: Table) -> dict[str, int | None]:
    return {column.name: getattr(column.type, "length", None) for column in table.columns}


LIMITS = _limits(TABLES["requests"])
CONFIG_LIMITS = _limits(TABLES["engine_config"])
"""Longest texts per column, None without a limit: PostgreSQL refuses a longer one."""


def request_row(record: RequestRecord) -> Row:
    """The row of a request as it is now: `running` until its end."""
    return _storable(_identity(record) | _tokens(record) | _times(record) | _charges(record), LIMITS)


def _storable(row: Row, limits: Mapping[str, int | None]) -> Row:
    """Texts as every database takes them: no NUL, no half of a surrogate pair, not longer than the column."""
    for name, value in row.items():
        if isinstance(value, str) and not _is_plain(value, limits[name]):
            row[name] = value.replace("\x00", "").encode("utf-8", "replace").decode()[: limits[name]]
    return row


def _is_plain(text: str, limit: int | None) -> bool:
    """Storable as it is, as nearly all are."""
    return text.isascii() and "\x00" not in text and (limit is None or len(text) <= limit)


def _identity(record: RequestRecord) -> Row:
    return {
        "seq": record.seq,
        "id": record.request_id,
        "started_at": record.anchor.utc(record.started_ns),
        "model": record.model,
        "api": record.api,
        "status": record.status.value,
        "error_type": record.error_type,
        "error_message": record.error_message,
        "stream": record.stream,
        "http_status": record.http_status,
        "conversation_id": None if record.conversation_id is None else shortened(record.conversation_id),
        "provider": record.provider,
        "engine_config_id": record.engine_config_id,
        "trace_id": record.trace.trace_id,
        "response_id": record.response_id,
        "finish_reason": record.finish_reason,
        "params": {key: value for key, value in record.params.items() if not isinstance(value, str)},
        "ignored_fields": list(record.ignored_fields),
    }


def _tokens(record: RequestRecord) -> Row:
    return {
        "prompt_tokens": record.prompt_tokens,
        "cached_tokens": record.cached_tokens,
        "cache_source": None if record.cache is None else record.cache.source.value,
        "cache_reason": None if record.cache is None else record.cache.reason.value,
        "completion_tokens": record.completion_tokens,
        "context_bucket": record.context_bucket,
    }


def _times(record: RequestRecord) -> Row:
    return {
        "queue_ms": record.phase_ms(Phase.QUEUE),
        "tokenize_ms": record.phase_ms(Phase.TOKENIZE),
        "prefill_ms": record.phase_ms(Phase.PREFILL),
        "ttft_ms": record.ttft_ms,
        "ttfb_ms": record.ttfb_ms,
        "decode_ms": record.phase_ms(Phase.DECODE),
        "decode_tps": record.decode_tps,
        "prefill_tps": record.prefill_tps,
        "itl_p50_ms": record.gap_ms(0.5),
        "itl_p95_ms": record.gap_ms(0.95),
        "itl_max_ms": record.gap_ms(1.0),
        "stalls": record.stalls if record.gaps_us else None,
        "total_ms": record.total_ms,
        "unaccounted_ms": record.unaccounted_ms,
        "overhead_ms": record.overhead_ms,
    }


def delay_rows(record: RequestRecord) -> list[Row]:
    """What a completed request waited for."""
    return [
        {
            "seq": record.seq,
            "rank": rank,
            "cause": delay.cause.value,
            "by_seq": delay.seq,
            "model": delay.model,
            "total_us": delay.total_ns // 1000,
            "times": delay.times,
            "longest_us": delay.longest_ns // 1000,
            "longest_at_us": (delay.longest_at_ns - record.started_ns) // 1000,
        }
        for rank, delay in enumerate(record.delayed_by)
    ]


def _charges(record: RequestRecord) -> Row:
    return {"energy_j": record.energy_j, "cost": record.cost}


def config_row(config: EngineConfig) -> Row:
    """The row of an engine configuration, `details` with every field."""
    details = dataclasses.asdict(config)
    row = {name: value for name, value in details.items() if name in CONFIG_LIMITS}
    return _storable(row, CONFIG_LIMITS) | {
        "id": config.config_id,
        "first_seen_at": datetime.now(UTC),
        "details": details,
    }
