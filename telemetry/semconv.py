# ruff: noqa: S105 - names of tokens that a model samples, not of secrets
"""Every name on spans, metrics and log records: the one file to change when a convention renames something.

Sources: OpenTelemetry GenAI semantic conventions (repository open-telemetry/semantic-conventions-genai, text
of October 2026, status "Development"), HTTP conventions (stable), process and SDK conventions. Names that no
convention has are ours and stand under `firsttoken.`; there is no invented `gen_ai.*` name here. The
constants of the `opentelemetry-semantic-conventions` package are not used: it marks every `gen_ai` name as
moved.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

SCOPE: Final = "firsttoken"
"""Instrumentation scope of everything we emit."""

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"
"""Of the general conventions; those for GenAI have no published schema yet, and refer to this one."""


@cache
def installed() -> str:
    """The version of this package: of the scope, and of the service."""
    try:
        return version("firsttoken")
    except PackageNotFoundError:
        return "unknown"


UNKNOWN_MODEL: Final = "_unknown"
"""Label of a model name that we do not serve."""
UNKNOWN_PROVIDER: Final = "_unknown"
"""`gen_ai.provider.name` of a request that was refused before a model was found for it."""


# --- spans
# -------------------------------------------------------------------------------------------------------
SPAN_ENGINE_LOAD: Final = "firsttoken.engine.load"
SPAN_ENGINE_STEP: Final = "firsttoken.engine.step"
SPAN_PREFILL_CHUNK: Final = "firsttoken.prefill.chunk"
SPAN_NAMES: Final = {
    "admit": "firsttoken.admit",
    "model_load": "firsttoken.model.load",
    "render": "firsttoken.render",
    "tokenize": "firsttoken.tokenize",
    "cache_lookup": "firsttoken.cache.lookup",
    "queue": "firsttoken.queue",
    "cache_restore": "firsttoken.cache.restore",
    "prefill": "firsttoken.prefill",
    "decode": "firsttoken.decode",
    "stream": "firsttoken.stream",
}
"""Phase → span name."""

# --- attributes: HTTP, URL, errors
# ----------------------------------------------------------------------------------
HTTP_REQUEST_METHOD: Final = "http.request.method"
HTTP_ROUTE: Final = "http.route"
HTTP_RESPONSE_STATUS_CODE: Final = "http.response.status_code"
URL_PATH: Final = "url.path"
URL_SCHEME: Final = "url.scheme"
EXCEPTION_TYPE: Final = "exception.type"
EXCEPTION_MESSAGE: Final = "exception.message"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
ERROR_TYPE: Final = "error.type"

# --- attributes: GenAI
# ----------------------------------------------------------------------------------------------
GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER_NAME: Final = "gen_ai.provider.name"
GEN_AI_CONVERSATION_ID: Final = "gen_ai.conversation.id"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
GEN_AI_REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
GEN_AI_REQUEST_TOP_P: Final = "gen_ai.request.top_p"
GEN_AI_REQUEST_TOP_K: Final = "gen_ai.request.top_k"
GEN_AI_REQUEST_SEED: Final = "gen_ai.request.seed"
GEN_AI_INPUT_MESSAGES: Final = "gen_ai.input.messages"
GEN_AI_OUTPUT_MESSAGES: Final = "gen_ai.output.messages"
GEN_AI_OUTPUT_TYPE: Final = "gen_ai.output.type"
GEN_AI_REQUEST_FREQUENCY_PENALTY: Final = "gen_ai.request.frequency_penalty"
GEN_AI_REQUEST_PRESENCE_PENALTY: Final = "gen_ai.request.presence_penalty"
GEN_AI_REQUEST_REASONING_LEVEL: Final = "gen_ai.request.reasoning.level"
GEN_AI_REQUEST_STOP_SEQUENCES: Final = "gen_ai.request.stop_sequences"
GEN_AI_REQUEST_STREAM: Final = "gen_ai.request.stream"
GEN_AI_RESPONSE_ID: Final = "gen_ai.response.id"
GEN_AI_RESPONSE_MODEL: Final = "gen_ai.response.model"
GEN_AI_RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
GEN_AI_USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
GEN_AI_USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: Final = "gen_ai.usage.cache_write.input_tokens"
GEN_AI_TOKEN_MODALITY: Final = "gen_ai.token.modality"

# --- attributes: ours
# -----------------------------------------------------------------------------------------------
REQUEST_ID: Final = "firsttoken.request.id"
MODEL: Final = "firsttoken.model"
"""Of an engine's load or step: `gen_ai.request.model` would make readers take it for a call of a model."""
LOGGER: Final = "firsttoken.logger"
"""Which part of the gateway wrote a log line."""
JOB: Final = "firsttoken.job"
"""Of the resource: what Prometheus calls the label `job`, so that traces and logs can be filtered by the
same value.
"""
CLIENT_KIND: Final = "firsttoken.client"
CONTENTION_SHARE: Final = "firsttoken.contention.share"
REQUEST_IGNORED_FIELDS: Final = "firsttoken.request.ignored_fields"
BAGGAGE: Final = "firsttoken.baggage"
"""Followed by the key of a member that may be kept."""
ADMIT_DECISION: Final = "firsttoken.admit.decision"
RENDER_CHARACTERS: Final = "firsttoken.render.characters"
TOKENIZE_TOKENS: Final = "firsttoken.tokenize.tokens"
TOKENIZE_CHARACTERS: Final = "firsttoken.tokenize.characters"
CACHE_MATCHED_TOKENS: Final = "firsttoken.cache.matched_tokens"
CACHE_SOURCE: Final = "firsttoken.cache.source"
CACHE_REASON: Final = "firsttoken.cache.reason"
CACHE_DIVERGENCE_TOKEN: Final = "firsttoken.cache.divergence.token"
CACHE_DIVERGENCE_MESSAGE: Final = "firsttoken.cache.divergence.message"
CACHE_BYTES: Final = "firsttoken.cache.bytes"
QUEUE_POSITION: Final = "firsttoken.queue.position"
QUEUE_DEPTH_AT_ENTRY: Final = "firsttoken.queue.depth"
QUEUE_REASON: Final = "firsttoken.queue.reason"
DELAY_DIRECTION: Final = "firsttoken.delay.direction"
DELAY_CAUSE: Final = "firsttoken.delay.cause"
DELAY_DURATION_S: Final = "firsttoken.delay.duration"
STEP_SEQUENCES: Final = "firsttoken.engine.step.sequences"
STEP_PREFILL_TOKENS: Final = "firsttoken.engine.step.prefill_tokens"
STEP_DECODE_TOKENS: Final = "firsttoken.engine.step.decode_tokens"
PREFILL_TOKENS: Final = "firsttoken.prefill.tokens"
PREFILL_CACHED_TOKENS: Final = "firsttoken.prefill.cached_tokens"
PREFILL_COMPUTED_TOKENS: Final = "firsttoken.prefill.computed_tokens"
PREFILL_TOKENS_PER_SECOND: Final = "firsttoken.prefill.tokens_per_second"
PREFILL_CHUNK_TOKENS: Final = "firsttoken.prefill.chunk.tokens"
PREFILL_CHUNK_SEQUENCES: Final = "firsttoken.prefill.chunk.sequences"
PREFILL_CHUNK_MERGED: Final = "firsttoken.prefill.chunk.merged"
DECODE_TOKENS: Final = "firsttoken.decode.tokens"
DECODE_STEPS: Final = "firsttoken.decode.steps"
DECODE_MEAN_BATCH: Final = "firsttoken.decode.mean_batch"
DECODE_TOKENS_PER_SECOND: Final = "firsttoken.decode.tokens_per_second"
DECODE_INTER_TOKEN_P50_S: Final = "firsttoken.decode.inter_token.p50"
DECODE_INTER_TOKEN_P95_S: Final = "firsttoken.decode.inter_token.p95"
DECODE_INTER_TOKEN_MAX_S: Final = "firsttoken.decode.inter_token.max"
DECODE_DRAFT_TOKENS: Final = "firsttoken.decode.draft_tokens"
DECODE_ACCEPTED_TOKENS: Final = "firsttoken.decode.accepted_tokens"
DECODE_DRAFT_MODEL_TOKENS: Final = "firsttoken.decode.draft_model_tokens"
DECODE_DRAFT_MODEL_ACCEPTED_TOKENS: Final = "firsttoken.decode.draft_model_accepted_tokens"
DECODE_STALLS: Final = "firsttoken.decode.stalls"
STREAM_CHUNKS: Final = "firsttoken.stream.chunks"
STREAM_BYTES: Final = "firsttoken.stream.bytes"
STREAM_BLOCKED_S: Final = "firsttoken.stream.blocked"

# --- metric labels of ours
# ------------------------------------------------------------------------------------------
CONTEXT_BUCKET: Final = "context_bucket"
PHASE: Final = "phase"
STATE: Final = "state"
SOURCE: Final = "source"
API: Final = "api"
FIELD: Final = "field"
REASON: Final = "reason"
TIER: Final = "tier"
DIRECTION: Final = "direction"
CAUSE: Final = "cause"
PART: Final = "part"
CPU_MODE: Final = "cpu.mode"
FILESYSTEM_STATE: Final = "system.filesystem.state"

OUTCOME: Final = "outcome"
CLIENT: Final = "client"
VERSION: Final = "version"
OBJECTIVE: Final = "objective"
WINDOW: Final = "window"

SERVER_FAILURES: Final = ("engine_error", "engine_unavailable", "internal_error", "queue_full", "timeout")
"""`error.type` of requests that we failed. A refusal because the queue is full counts: capacity is ours to
provide.
"""

# --- metrics
# --------------------------------------------------------------------------------------------------------
METRIC_REQUEST_DURATION: Final = "gen_ai.server.request.duration"
METRIC_TTFT: Final = "gen_ai.server.time_to_first_token"
METRIC_TIME_PER_OUTPUT_TOKEN: Final = "gen_ai.server.time_per_output_token"
METRIC_INPUT_TOKENS: Final = "gen_ai.client.inference.usage.input_tokens"
METRIC_OUTPUT_TOKENS: Final = "gen_ai.client.inference.usage.output_tokens"
METRIC_CACHE_READ_TOKENS: Final = "gen_ai.client.inference.usage.cache_read.input_tokens"
METRIC_CACHE_WRITE_TOKENS: Final = "gen_ai.client.inference.usage.cache_write.input_tokens"
METRIC_INFERENCE_DURATION: Final = "gen_ai.client.inference.duration"
METRIC_INFERENCE_FIRST_CHUNK: Final = "gen_ai.client.inference.time_to_first_chunk"
METRIC_INFERENCE_OUTPUT_CHUNK: Final = "gen_ai.client.inference.time_per_output_chunk"
METRIC_OPERATION_INPUT_TOKENS: Final = "gen_ai.client.inference.operation.input_tokens"
METRIC_OPERATION_OUTPUT_TOKENS: Final = "gen_ai.client.inference.operation.output_tokens"
METRIC_EMBEDDINGS_DURATION: Final = "gen_ai.client.embeddings.duration"
METRIC_EMBEDDINGS_INPUT_TOKENS: Final = "gen_ai.client.embeddings.operation.input_tokens"
METRIC_OUTPUT_RATE: Final = "firsttoken.output_rate"
METRIC_PROMPT_RATE: Final = "firsttoken.prompt_rate"
METRIC_TTFT_BY_CONTEXT: Final = "firsttoken.ttft_by_context"
METRIC_INTER_TOKEN: Final = "firsttoken.inter_token.latency"
METRIC_PHASE_DURATION: Final = "firsttoken.phase.duration"
METRIC_OVERHEAD: Final = "firsttoken.overhead.duration"
METRIC_LOOP_LAG: Final = "firsttoken.event_loop.lag"
METRIC_ENGINE_TOKENS: Final = "firsttoken.engine.tokens"
METRIC_DRAFT_TOKENS: Final = "firsttoken.draft.tokens"
METRIC_ENGINE_TIME: Final = "firsttoken.engine.time"
METRIC_BATCH_SEQUENCES: Final = "firsttoken.engine.batch.sequences"
METRIC_BATCH_TOKENS: Final = "firsttoken.engine.batch.tokens"
METRIC_STEP_DURATION: Final = "firsttoken.engine.step.duration"
METRIC_ENGINE_THREADS: Final = "firsttoken.engine.threads"
METRIC_ENGINE_CONTENTION: Final = "firsttoken.engine.contention"
METRIC_ENGINE_STATE: Final = "firsttoken.engine.state"
METRIC_ENGINE_CONFIG_INFO: Final = "firsttoken.engine.config.info"
METRIC_SLOTS: Final = "firsttoken.engine.slots"
METRIC_QUEUE_DEPTH: Final = "firsttoken.queue.depth"
METRIC_QUEUE_OLDEST_AGE: Final = "firsttoken.queue.oldest_age"
METRIC_PREDICTED_WAIT: Final = "firsttoken.queue.predicted_wait"
METRIC_KV_USAGE: Final = "firsttoken.kv_cache.usage"
METRIC_KV_LIMIT: Final = "firsttoken.kv_cache.limit"
METRIC_CACHE_QUERIES: Final = "firsttoken.prefix_cache.queries"
METRIC_CACHE_HITS: Final = "firsttoken.prefix_cache.hits"
METRIC_CACHE_EVICTIONS: Final = "firsttoken.prefix_cache.evictions"
METRIC_CACHE_LOST: Final = "firsttoken.prefix_cache.lost"
METRIC_CACHE_BYTES: Final = "firsttoken.prefix_cache.bytes"
METRIC_CACHE_ENTRIES: Final = "firsttoken.prefix_cache.entries"
METRIC_CACHE_DISCARDED: Final = "firsttoken.prefix_cache.discarded"
METRIC_CACHE_RESTORE_FAILURES: Final = "firsttoken.prefix_cache.restore.failures"
METRIC_TTFT_PREDICTION_ERROR: Final = "firsttoken.ttft_prediction.error"
METRIC_LOAD_DURATION: Final = "firsttoken.model.load.duration"
METRIC_LOADS: Final = "firsttoken.model.loads"
METRIC_ENERGY: Final = "firsttoken.energy"
METRIC_MODEL_MEMORY: Final = "firsttoken.model.memory"
METRIC_MODEL_MEMORY_PARTS: Final = "firsttoken.model.memory.parts"
METRIC_DELAY_TIME: Final = "firsttoken.delay.time"
METRIC_REQUESTS: Final = "firsttoken.requests"
METRIC_REQUESTS_ARRIVED: Final = "firsttoken.requests.arrived"
METRIC_REQUESTS_FINISHED: Final = "firsttoken.requests.finished"
METRIC_REQUESTS_GOOD: Final = "firsttoken.requests.good"
METRIC_CLIENT_BLOCKED: Final = "firsttoken.client_blocked.duration"
METRIC_BUILD_INFO: Final = "firsttoken.build_info"
METRIC_REJECTED: Final = "firsttoken.requests.rejected"
METRIC_IGNORED_FIELDS: Final = "firsttoken.request.ignored_fields"
METRIC_SOURCE_FAILURES: Final = "firsttoken.telemetry.source.failures"
METRIC_SPEED_CHANGES: Final = "firsttoken.speed.changes"
METRIC_SLO_BURN_RATE: Final = "firsttoken.slo.burn_rate"
METRIC_SLO_BUDGET_LEFT: Final = "firsttoken.slo.budget_left"
METRIC_STORE_QUEUE: Final = "firsttoken.store.queue.size"
METRIC_STORE_DROPPED: Final = "firsttoken.store.dropped"
METRIC_STORE_PRUNED: Final = "firsttoken.store.pruned"
METRIC_STORE_FLUSH: Final = "firsttoken.store.flush.duration"
METRIC_STORE_FILE_SIZE: Final = "firsttoken.store.file.size"
METRIC_STORE_FILE_LIMIT: Final = "firsttoken.store.file.limit"
METRIC_FILESYSTEM_USAGE: Final = "system.filesystem.usage"
METRIC_HTTP_DURATION: Final = "http.server.request.duration"
METRIC_HTTP_ACTIVE: Final = "http.server.active_requests"
METRIC_PROCESS_CPU_TIME: Final = "process.cpu.time"
METRIC_PROCESS_MEMORY: Final = "process.memory.usage"
METRIC_PROCESS_FDS: Final = "firsttoken.process.file_descriptors"
"""Not `process.unix.file_descriptor.count`: Prometheus keeps the suffix `_count` for histograms (promtool
says so).
"""
METRIC_SDK_EXPORTED_SPANS: Final = "otel.sdk.exporter.span.exported"
METRIC_SDK_EXPORTED_LOGS: Final = "otel.sdk.exporter.log.exported"
METRIC_SDK_EXPORTED_POINTS: Final = "otel.sdk.exporter.metric_data_point.exported"
METRIC_SDK_PROCESSED_SPANS: Final = "otel.sdk.processor.span.processed"
METRIC_SDK_PROCESSED_LOGS: Final = "otel.sdk.processor.log.processed"
