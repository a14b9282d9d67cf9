"""Records made by hand: a real Recorder, a clock that moves when told, and one complete request."""

from __future__ import annotations

from telemetry.clock import ClockAnchor, WallClock
from telemetry.context_buckets import ContextBuckets
from telemetry.events import CacheOutcome, CacheReason, CacheSource, EngineConfig, Phase, PrefillChunk, Status
from telemetry.record import RequestRecord
from telemetry.recorder import Ended, NullSink, Recorder, Sink

MODEL = "tiny"
MS = 1_000_000
EPOCH_NS = 1_760_000_000 * 10**9
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class ManualClock:
    """Monotonic nanoseconds that move only by `advance`."""

    def __init__(self) -> None:
        self.now_ns = 5_000 * MS

    def __call__(self) -> int:
        return self.now_ns

    def advance(self, milliseconds: float) -> int:
        self.now_ns += round(milliseconds * MS)
        return self.now_ns


def recorder(clock: ManualClock, *sinks: Sink, wall_ns: int = EPOCH_NS) -> Recorder:
    """A strict recorder whose wall clock stands at `wall_ns` now."""
    began_ns = clock.now_ns
    wall = WallClock(lambda: ClockAnchor(wall_ns + clock.now_ns - began_ns, clock.now_ns), lambda: None)
    return Recorder(sinks, ContextBuckets(), wall, clock, strict=True)


def open_record(
    rec: Recorder, clock: ManualClock, request_id: str | None = None, traceparent: str = ""
) -> RequestRecord:
    """A request whose body was read."""
    record = rec.open(
        request_id=request_id,
        route="/v1/chat/completions",
        api="openai_chat",
        operation="chat",
        started_ns=clock(),
        traceparent=traceparent,
    )
    record.model, record.stream, record.provider = MODEL, True, "llama_cpp"
    record.params = {"max_tokens": 4, "temperature": 0, "stop_sequences": '["secret"]'}
    rec.phase(record, Phase.ADMIT, clock(), clock.advance(1))
    return record


def answer(
    rec: Recorder,
    clock: ManualClock,
    record: RequestRecord,
    gaps_ms: tuple[float, ...] = (10, 20, 60),
    chunks: int = 2,
    holders: str = "1",
) -> None:
    """Run a request to its last token: 600 prompt tokens, 100 of them cached, and a token after each gap."""
    rec.tokens(record, 600)
    record.response_model, record.response_id, record.finish_reason = MODEL, "resp-1", "stop"
    record.cache = CacheOutcome(100, CacheSource.KV, CacheReason.APPENDED, 100, 2)
    rec.phase(record, Phase.RENDER, clock(), clock.advance(1), characters=2400)
    rec.phase(record, Phase.TOKENIZE, clock(), clock.advance(2), tokens=600, characters=2400)
    rec.phase(record, Phase.CACHE_LOOKUP, clock(), clock.advance(0.5))
    rec.phase(
        record, Phase.QUEUE, clock(), clock.advance(5), position=1, depth=2, reason="slots", holders=holders
    )
    began = clock()
    for _ in range(chunks):
        start = clock()
        record.chunks.append(PrefillChunk(start, clock.advance(100 / chunks), 500 // chunks, 1))
    rec.phase(record, Phase.PREFILL, began, clock(), tokens=600, cached=100, computed=500)
    record.first_token_ns = record.first_chunk_ns = clock()
    for gap in gaps_ms:
        clock.advance(gap)
    record.last_token_ns, record.gaps_us = clock(), [round(gap * 1e3) for gap in gaps_ms]
    record.completion_tokens = len(gaps_ms) + 1
    rec.phase(
        record,
        Phase.DECODE,
        record.first_token_ns,
        clock(),
        tokens=len(gaps_ms) + 1,
        steps=len(gaps_ms),
        mean_batch=1.5,
    )
    rec.phase(
        record, Phase.STREAM, record.first_token_ns, clock.advance(1), chunks=4, bytes=400, blocked_s=0.0
    )


def completed(clock: ManualClock | None = None, sink: Sink | None = None, **options: object) -> RequestRecord:
    """One complete request that the sink saw from admission to end."""
    clock = clock or ManualClock()
    rec = recorder(clock, sink or NullSink())
    record = open_record(rec, clock, traceparent=str(options.get("traceparent", "")))
    rec.admit(record)
    answer(rec, clock, record)
    rec.close(record, Ended(Status.OK, 200))
    return record


CONFIG = EngineConfig(
    config_id="cfg-1", model=MODEL, model_digest="0" * 64, model_file="tiny.gguf", model_size_bytes=1,
    architecture="llama", parameters=10**9, quantisation="Q4_1", kv_type_k="f16", kv_type_v="f16",
    kv_unified=True, flash_attention="on", threads=2, threads_batch=2, n_ctx=2048, n_ctx_train=8192, slots=8,
    n_batch=2048, n_ubatch=512, gpu_layers=0, llama_cpp_build="b1",
)  # fmt: skip
