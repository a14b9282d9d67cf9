"""Requests as a busy store of some months has them, in the order of their ends; deterministic, and no engine
is needed.

Three models, each with configurations that followed one another, prompts from 100 to 200,000 tokens, chats of
several turns, cache reasons, errors and cancellations; days are busier than nights.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from telemetry.clock import ClockAnchor
from telemetry.context_buckets import ContextBuckets
from telemetry.events import (
    CacheOutcome,
    CacheReason,
    CacheSource,
    EngineConfig,
    Phase,
    PhaseTiming,
    PrefillChunk,
    Status,
)
from telemetry.record import RequestRecord
from telemetry.trace_ids import TraceIds

DAYS = 60
DAY_NS = 24 * 60 * 60 * 10**9
MS = 10**6
BURST_RATE = 2000.0
"""Requests per second."""

MODELS = {"smollm2:135m": 0.5, "qwen3:4b": 0.35, "llama3.1:8b": 0.15}
"""Model → its share of the requests."""

CONFIGS = {"smollm2:135m": 3, "qwen3:4b": 3, "llama3.1:8b": 2}
"""Model → how many configurations followed one another."""

OUTCOMES = (
    (0.965, Status.OK, 200, None),
    (0.980, Status.CANCELLED, 499, "client_disconnect"),
    (0.992, Status.ERROR, 400, "context_length_exceeded"),
    (1.0, Status.ERROR, 503, "engine_unavailable"),
)
"""Cumulative share, status, HTTP status, kind of error."""

LABELS = ContextBuckets()


def configs() -> list[EngineConfig]:
    """Every configuration, by model."""
    return [_config(model, number) for model, count in CONFIGS.items() for number in range(count)]


def _config(model: str, number: int) -> EngineConfig:
    return EngineConfig(
        config_id=f"{model.partition(':')[0]}-{number}", model=model, model_digest="0" * 64,
        model_file=f"{model}.gguf", model_size_bytes=10**9, architecture="llama", parameters=10**9,
        quantisation="Q4_K_M", kv_type_k="f16", kv_type_v="f16", kv_unified=False, flash_attention="on",
        threads=2 + number, threads_batch=2, n_ctx=262144, n_ctx_train=262144, slots=8, n_batch=2048,
        n_ubatch=512, gpu_layers=0, llama_cpp_build="b1",
    )  # fmt: skip


@dataclass(slots=True)
class Requests:
    """`count` requests over `DAYS`, and then a `burst` as fast as `BURST_RATE`, which ends at `until_ns`
    (Unix).
    """

    count: int
    burst: int
    until_ns: int
    random: random.Random = field(default_factory=lambda: random.Random(7))

    def __iter__(self) -> Iterator[RequestRecord]:
        """One after another; `seq` rises."""
        anchor = ClockAnchor(self.until_ns - DAYS * DAY_NS, 0)
        for number, at in enumerate(self._moments()):
            yield self._one(anchor, number, round(at * DAYS * DAY_NS), at)

    def _moments(self) -> Iterator[float]:
        """Shares of the whole time, rising: eight hours of a day have two thirds of its requests."""
        lasts = self.burst / BURST_RATE * 1e9 / (DAYS * DAY_NS)
        for number in range(self.count):
            day, share = divmod(number / self.count * DAYS, 1)
            within = share * 1.5 / 3 if share < 2 / 3 else 1 / 3 + (share - 2 / 3) * 2
            yield (day + within) / DAYS * (1 - lasts)
        yield from (1 - lasts * (1 - number / self.burst) for number in range(self.burst))

    def _one(self, anchor: ClockAnchor, number: int, ended_ns: int, at: float) -> RequestRecord:
        draw = self.random
        model = draw.choices(list(MODELS), list(MODELS.values()))[0]
        version = min(int(at * CONFIGS[model]), CONFIGS[model] - 1)
        total_ns = round(draw.lognormvariate(7.5, 0.6) * MS)
        started_ns = ended_ns - total_ns
        record = RequestRecord(
            seq=(anchor.wall(started_ns) // 1000) << 10 | number & 1023,
            request_id=f"req-{number:08x}",
            trace=TraceIds(f"{number:032x}", f"{number:016x}"),
            anchor=anchor, started_ns=started_ns, method="POST", route="/v1/chat/completions",
            api="openai_chat", operation="chat", model=model, stream=True,
            params={"temperature": 0.7, "max_tokens": 512}, conversation_id=f"chat-{number // 6}",
        )  # fmt: skip
        _, record.status, record.http_status, record.error_type = next(
            o for o in OUTCOMES if number % 1000 / 1000 < o[0]
        )
        record.ended_ns = ended_ns
        if record.http_status in {200, 499}:
            self._answer(record, f"{model.partition(':')[0]}-{version}", total_ns, version)
        return record

    def _answer(self, record: RequestRecord, config: str, total_ns: int, version: int) -> None:
        draw = self.random
        record.response_model, record.engine_config_id, record.finish_reason = record.model, config, "stop"
        record.prompt_tokens = min(200_000, 100 + round(draw.lognormvariate(7, 1.3)))
        record.context_bucket = LABELS.label(record.prompt_tokens)
        cached = round(record.prompt_tokens * draw.choice((0, 0, 0.5, 0.9, 0.98)))
        reason = (
            draw.choice((CacheReason.APPENDED, CacheReason.FULL_HIT))
            if cached
            else draw.choice(list(CacheReason)[1:8])
        )
        source = (
            draw.choice((CacheSource.KV, CacheSource.RAM, CacheSource.DISK)) if cached else CacheSource.NONE
        )
        record.cache = CacheOutcome(cached, source, reason, cached, 2)
        self._phases(record, total_ns)
        gap_us = draw.lognormvariate(9.2, 0.25) * (1 - 0.1 * version)
        tokens = max(2, round((record.ended_ns or 0) - (record.first_token_ns or 0)) // round(gap_us * 1000))
        record.completion_tokens = min(tokens, 200)
        record.gaps_us = [
            round(gap_us * draw.uniform(0.85, 1.25)) for _ in range(record.completion_tokens - 1)
        ]
        record.energy_j, record.cost = tokens * 0.4, tokens * 2e-6

    def _phases(self, record: RequestRecord, total_ns: int) -> None:
        start, phases = record.started_ns, record.phases
        shares = (
            (Phase.ADMIT, 0.001),
            (Phase.RENDER, 0.001),
            (Phase.TOKENIZE, 0.004),
            (Phase.CACHE_LOOKUP, 0.001),
            (Phase.QUEUE, 0.02),
        )
        waited = (
            *shares[:-1],
            (Phase.QUEUE, 0.02 * self.random.expovariate(1)),
            (Phase.PREFILL, self.random.uniform(0.05, 0.4)),
        )
        for phase, share in waited:
            end = start + round(share * total_ns)
            phases.append(
                PhaseTiming(
                    phase, start, end, {"tokens": record.prompt_tokens or 0} if phase is Phase.PREFILL else {}
                )
            )
            start = end
        prefill = phases[-1]
        record.chunks = [PrefillChunk(prefill.start_ns, prefill.end_ns, record.prompt_tokens or 0, 2)]
        record.first_token_ns = record.first_chunk_ns = start
        record.last_token_ns = max(start + 1, (record.ended_ns or 0) - MS)
        phases.append(
            PhaseTiming(
                Phase.DECODE, start, record.last_token_ns, {"tokens": 60, "steps": 59, "mean_batch": 1.5}
            )
        )
        phases.append(
            PhaseTiming(
                Phase.STREAM, start, record.ended_ns or 0, {"chunks": 60, "bytes": 6000, "blocked_s": 0.0}
            )
        )


def pieces(records: Iterator[RequestRecord], size: int) -> Iterator[list[RequestRecord]]:
    """Lists of at most `size`."""
    while piece := list(itertools.islice(records, size)):
        yield piece
