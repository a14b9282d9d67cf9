"""Real-looking requests, statistics and engines for page tests, on a temporary database and a fixed clock."""

from __future__ import annotations

import random
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from dashboard.page import PATH, Page
from telemetry.clock import ClockAnchor
from telemetry.events import (
    CacheSample,
    CacheSource,
    EngineConfig,
    EngineSample,
    EngineState,
    EngineStatus,
    Phase,
    PhaseTiming,
    PrefillChunk,
    TierSample,
)
from telemetry.live import LiveSink
from telemetry.record import RequestRecord
from telemetry.slo import Counts, Objective, report
from telemetry.store import phases
from telemetry.store.models import EngineConfigRow, PhasesRow, RequestRow, SpeedChangeRow
from telemetry.trace_ids import TraceIds

MODEL = "smollm2-135m-instruct"
FIRST = "req_000000000000000000000000"
"""The id of the newest recorded request."""

NOW = datetime(2026, 11, 23, 4, 46, 30, tzinfo=UTC)
MS = 1_000_000

CONFIG = EngineConfig(
    config_id="c0ffee123456", model=MODEL, model_digest="9f2d" * 16,
    model_file="SmolLM2-135M-Instruct.Q4_1.gguf", model_size_bytes=98_350_000, architecture="llama",
    parameters=134_515_008, quantisation="Q4_1", kv_type_k="f16", kv_type_v="f16", kv_unified=False,
    flash_attention="on", threads=2, threads_batch=2, n_ctx=8192, n_ctx_train=8192, slots=8, n_batch=2048,
    n_ubatch=512, gpu_layers=0, llama_cpp_build="b6970 (f3a1c2d)",
)  # fmt: skip


def path_of(page: Page, **parameters: str) -> str:
    """The address of a page below `/dashboard`, with these parameters in its path."""
    quoted = {name: quote(value, safe="") for name, value in parameters.items()}
    return page.url.removeprefix(PATH).format_map(quoted)


def seq_at(moment: datetime, number: int = 0) -> int:
    """A `seq` as the recorder makes it."""
    return (round(moment.timestamp() * 1e6) << 10) | number


def row(moment: datetime, number: int = 0, **changed: Any) -> RequestRow:
    """A request that went well, unless told otherwise."""
    values: dict[str, Any] = {
        "seq": seq_at(moment, number), "id": f"req_{number:024x}", "started_at": moment, "model": MODEL,
        "api": "chat.completions", "status": "ok", "error_type": None, "error_message": None, "stream": True,
        "http_status": 200, "conversation_id": None, "prompt_tokens": 812, "cached_tokens": 0,
        "cache_source": "none", "cache_reason": "disabled", "completion_tokens": 64,
        "context_bucket": "512-1k", "queue_ms": 12.1, "tokenize_ms": 1.4, "prefill_ms": 402.0,
        "ttft_ms": 421.6, "ttfb_ms": 423.0, "decode_ms": 640.0, "decode_tps": 98.4, "prefill_tps": 2019.9,
        "itl_p50_ms": 9.8, "itl_p95_ms": 14.2, "itl_max_ms": 31.0, "stalls": 0, "total_ms": 1068.0,
        "unaccounted_ms": 0.4, "overhead_ms": 3.2, "energy_j": None, "cost": None,
        "engine_config_id": CONFIG.config_id, "trace_id": f"{number + 1:032x}",
        "response_id": f"chatcmpl-{number}", "finish_reason": "stop", "ignored_fields": [],
        "params": {"max_tokens": 64, "temperature": 0.7, "seed": 42},
    }  # fmt: skip
    return RequestRow(**{**values, **changed})


def record(
    number: int = 0, request_id: str | None = None, started_ns: int = 0, model: str = MODEL
) -> RequestRecord:
    """A running request that was just admitted; its anchor puts monotonic 0 at `NOW`."""
    anchor = ClockAnchor(round(NOW.timestamp() * 1e9), 0)
    return RequestRecord(
        seq=seq_at(NOW + timedelta(microseconds=started_ns // 1000), number),
        request_id=request_id or f"req_live{number:020x}", trace=TraceIds("ab" * 16, "cd" * 8), anchor=anchor,
        started_ns=started_ns, method="POST", route="/v1/chat/completions", api="chat.completions",
        operation="chat", model=model, stream=True, params={"max_tokens": 128},
    )  # fmt: skip


def finished_record() -> RequestRecord:
    """The phases that belong to `row()`: 1,068 ms with prefill in chunks, and streaming beside decoding."""
    made = record()
    bounds = [
        (Phase.ADMIT, 0.0, 1.2),
        (Phase.RENDER, 1.2, 2.9),
        (Phase.TOKENIZE, 2.9, 4.3),
        (Phase.CACHE_LOOKUP, 4.3, 4.5),
        (Phase.QUEUE, 4.7, 18.4),
        (Phase.PREFILL, 18.4, 421.6),
        (Phase.DECODE, 421.6, 1061.6),
        (Phase.STREAM, 423.0, 1067.8),
    ]
    made.phases = [PhaseTiming(phase, round(a * MS), round(b * MS), {}) for phase, a, b in bounds]
    made.chunks = [
        PrefillChunk(round((18.4 + n * 100.8) * MS), round((18.4 + (n + 1) * 100.8) * MS), 203, 1 + n % 3)
        for n in range(4)
    ]
    made.first_token_ns, made.last_token_ns, made.first_chunk_ns = (
        round(421.6 * MS),
        round(1061.6 * MS),
        423 * MS,
    )
    made.ended_ns = 1068 * MS
    return made


def configuration_row(config: EngineConfig = CONFIG) -> EngineConfigRow:
    """A configuration as the store keeps it."""
    own = {name: value for name, value in asdict(config).items() if name in EngineConfigRow.__table__.columns}
    return EngineConfigRow(
        id=config.config_id, first_seen_at=NOW - timedelta(days=2), details=asdict(config), **own
    )


SLOWER = {
    "at": NOW - timedelta(hours=5), "model": MODEL, "context_bucket": "512-1k", "measure": "output_rate",
    "before_config_id": "0ff1ce", "after_config_id": CONFIG.config_id, "before": 121.0, "after": 98.4,
    "before_count": 310, "after_count": 64, "p_value": 3.2e-9,
}  # fmt: skip


async def fill_requests(engine: AsyncEngine, how_many: int = 130) -> None:
    """Requests of the last hours, some of them failed, the newest with its phases."""
    rng = random.Random(7)
    rows = []
    for number in range(how_many):
        moment = NOW - timedelta(seconds=20 + 47 * number)
        rows.append(
            row(
                moment,
                number,
                ttft_ms=rng.uniform(60, 900),
                total_ms=1068.0 if number == 0 else rng.uniform(500, 4000),
                decode_tps=rng.uniform(60, 120),
            )
        )
        if number % 17 == 3:
            _fail(rows[-1])
        if number % 23 == 5:
            rows[-1].status, rows[-1].error_type = "cancelled", "client_disconnect"
    async with AsyncSession(engine) as session:
        session.add(configuration_row())
        session.add(configuration_row(replace(CONFIG, config_id="0ff1ce", threads=4)))
        session.add(SpeedChangeRow(**SLOWER))
        await session.flush()
        session.add_all(rows)
        await session.flush()
        session.add(PhasesRow(seq=rows[0].seq, phases=phases.encode(finished_record())))
        await session.commit()


def _fail(failed: RequestRow) -> None:
    failed.status, failed.error_type, failed.http_status = "error", "context_length_exceeded", 400
    failed.error_message = "The prompt has 9,120 tokens and the context holds 8,192."
    for name in (
        "ttft_ms",
        "ttfb_ms",
        "decode_ms",
        "decode_tps",
        "prefill_tps",
        "prefill_ms",
        "itl_p50_ms",
        "itl_p95_ms",
        "itl_max_ms",
        "completion_tokens",
    ):
        setattr(failed, name, None)
    (
        failed.finish_reason,
        failed.prompt_tokens,
        failed.cached_tokens,
        failed.cache_reason,
        failed.cache_source,
    ) = (
        None,
        9120,
        None,
        None,
        None,
    )


READ_S = NOW.timestamp() - 20
OBJECTIVES = (
    report(
        Objective("availability", 0.99),
        30,
        {60: Counts(200, 1), 360: Counts(900, 3)},
        Counts(40_000, 120),
        READ_S,
    ),
    report(
        Objective("ttft", 0.95, 2500.0),
        30,
        {m: Counts(100, 80) for m in (5, 30, 60, 360)},
        Counts(30_000, 1900),
        READ_S,
    ),
    report(Objective("inter_token", 0.99, 250.0), 30, {}, None, READ_S),
)


def ready_engine(sink: LiveSink, decode: int = 2, prefill: int = 1, disk_off: str = "") -> None:
    """One engine that is ready and reports itself; `disk_off` says why its cache has no disk tier."""
    sink.engine_status(
        EngineStatus(MODEL, EngineState.READY, restarts=1, pid=4711, load_ms=842.0, config=CONFIG)
    )
    tiers = (
        TierSample(CacheSource.KV, 2, None, 1900),
        TierSample(CacheSource.RAM, 14, 900 * 2**20, 38_000),
        TierSample(CacheSource.DISK, 40, 2 * 2**30, 90_000),
    )
    cache = CacheSample(tiers, {"ram": 12_000, "disk": 0}, disk_off=disk_off)
    sink.engine_sample(
        EngineSample(
            MODEL, 8 - decode - prefill, prefill, decode, 1, 0.42, 5210, 65536, 412 * 2**20, cache=cache
        )
    )


def running_records(sink: LiveSink, now_ns: int) -> list[RequestRecord]:
    """Two requests that run: one in prefill, one decoding."""
    first, second = record(1, started_ns=now_ns - 1400 * MS), record(2, started_ns=now_ns - 320 * MS)
    for made in (first, second):
        for phase, a, b in (
            (Phase.ADMIT, 0, 1),
            (Phase.RENDER, 1, 3),
            (Phase.TOKENIZE, 3, 6),
            (Phase.QUEUE, 6, 90),
        ):
            made.phases.append(PhaseTiming(phase, made.started_ns + a * MS, made.started_ns + b * MS, {}))
        made.prompt_tokens, made.prefilled_tokens, made.current_phase, made.engine = (
            1204,
            512,
            Phase.PREFILL,
            MODEL,
        )
    first.current_phase, first.completion_tokens, first.first_token_ns = (
        Phase.DECODE,
        71,
        first.started_ns + 700 * MS,
    )
    sink.admitted(first)
    sink.admitted(second)
    return [first, second]
