"""Metrics of requests and engines that no GenAI convention has, each declared once: name, unit, kind,
buckets, labels, help. `telemetry.metrics.catalog.ALL` has them with all others.
"""

from __future__ import annotations

from telemetry import semconv as names
from telemetry.metrics.buckets import (
    BATCH_SEQUENCE_BUCKETS,
    BATCH_TOKEN_BUCKETS,
    DURATION_BUCKETS,
    INTER_TOKEN_BUCKETS,
    OUTPUT_RATE_BUCKETS,
    OVERHEAD_BUCKETS,
    PHASE_BUCKETS,
    PROMPT_RATE_BUCKETS,
    TTFT_BUCKETS,
)
from telemetry.metrics.instrument import Instrument, counter, gauge, histogram
from telemetry.metrics.instruments_genai import REQUEST_LABELS

# Labels -----------------------------------------------------------------------------------------------------
_MODEL = (names.GEN_AI_REQUEST_MODEL,)
CONFIG_LABELS = (
    "config_id",
    "model_file",
    "quantisation",
    "kv_type_k",
    "kv_type_v",
    "threads",
    "n_ctx",
    "slots",
    "gpu_layers",
    "llama_cpp_build",
)
"""Fields of `EngineConfig` that the info gauge names; all follow from the first."""
_BY_CONTEXT = (*REQUEST_LABELS, names.CONTEXT_BUCKET)


# Requests ---------------------------------------------------------------------------------------------------
OUTPUT_RATE = histogram(
    names.METRIC_OUTPUT_RATE,
    "{token}/s",
    "(output tokens - 1) / (last - first token), per request.",
    _BY_CONTEXT,
    OUTPUT_RATE_BUCKETS,
)
PROMPT_RATE = histogram(
    names.METRIC_PROMPT_RATE,
    "{token}/s",
    "Computed (uncached) prompt tokens per second of prefill, per request.",
    _BY_CONTEXT,
    PROMPT_RATE_BUCKETS,
)
TTFT_BY_CONTEXT = histogram(
    names.METRIC_TTFT_BY_CONTEXT, "s", "Time to first token by context size.", _BY_CONTEXT, TTFT_BUCKETS
)
INTER_TOKEN = histogram(
    names.METRIC_INTER_TOKEN,
    "s",
    "Time between two sampled tokens of one request; those of one step share its time.",
    _MODEL,
    INTER_TOKEN_BUCKETS,
)
PHASE_DURATION = histogram(
    names.METRIC_PHASE_DURATION,
    "s",
    "Time that a request spent in a phase.",
    (*_MODEL, names.PHASE),
    PHASE_BUCKETS,
)
OVERHEAD = histogram(
    names.METRIC_OVERHEAD,
    "s",
    "The gateway's own time: wall minus queue, engine and waiting for the client.",
    _MODEL,
    OVERHEAD_BUCKETS,
)
DELAY_TIME = counter(
    names.METRIC_DELAY_TIME,
    "s",
    "Time that requests lost to other requests (estimated where prompts are computed in shared steps) "
    "and to model loads, by cause.",
    (*_MODEL, names.CAUSE),
)
REQUESTS = counter(
    names.METRIC_REQUESTS,
    "{request}",
    "Requests that ended: ok, failed (by us), client_error, cancelled (their client left); its rate "
    "is the service rate.",
    (*_MODEL, names.OUTCOME),
)
REQUESTS_ARRIVED = counter(
    names.METRIC_REQUESTS_ARRIVED, "{request}", "Requests that came, refused ones among them.", _MODEL
)
REQUESTS_FINISHED = counter(
    names.METRIC_REQUESTS_FINISHED,
    "{request}",
    "Answers by why they ended (stop, length).",
    (*_MODEL, names.REASON),
)
REQUESTS_GOOD = counter(
    names.METRIC_REQUESTS_GOOD,
    "{request}",
    "Goodput: answered requests whose first token and whose tokens after it came within the objectives.",
    _MODEL,
)
CLIENT_BLOCKED = histogram(
    names.METRIC_CLIENT_BLOCKED,
    "s",
    "Time that an answer waited for its client to read.",
    _MODEL,
    PHASE_BUCKETS,
)
REJECTED = counter(names.METRIC_REJECTED, "{request}", "Requests turned away at the door.", (names.REASON,))

IGNORED_FIELDS = counter(
    names.METRIC_IGNORED_FIELDS,
    "{field}",
    "Fields of requests that the API took and did not obey; `_other` is every one that no server is "
    "known to have.",
    (names.API, names.FIELD),
)

# Engines ----------------------------------------------------------------------------------------------------
ENGINE_TOKENS = counter(
    names.METRIC_ENGINE_TOKENS,
    "{token}",
    "Tokens that went through an engine: `cached` ones were not computed, `decode` are those of "
    "answers, accepted guesses among them.",
    (*_MODEL, names.PHASE),
)
DRAFT_TOKENS = counter(
    names.METRIC_DRAFT_TOKENS,
    "{token}",
    "Tokens guessed ahead (speculative decoding), by who guessed (`lookup`, `draft_model`) and "
    "whether the model `accepted` or `rejected` them.",
    (*_MODEL, names.SOURCE, names.STATE),
)
ENGINE_TIME = counter(
    names.METRIC_ENGINE_TIME,
    "s",
    "Time of the engine's steps that held tokens of the phase; a mixed step counts for both.",
    (*_MODEL, names.PHASE),
)
BATCH_SEQUENCES = histogram(
    names.METRIC_BATCH_SEQUENCES, "{sequence}", "Sequences in one step.", _MODEL, BATCH_SEQUENCE_BUCKETS
)
BATCH_TOKENS = histogram(
    names.METRIC_BATCH_TOKENS, "{token}", "Tokens in one step.", _MODEL, BATCH_TOKEN_BUCKETS
)
STEP_DURATION = histogram(
    names.METRIC_STEP_DURATION, "s", "Time of one llama_decode.", _MODEL, INTER_TOKEN_BUCKETS
)
ENGINE_THREADS = gauge(
    names.METRIC_ENGINE_THREADS,
    "{thread}",
    "CPU threads that an engine computes with now: fewer while others take the cores.",
    _MODEL,
)
ENGINE_CONTENTION = gauge(
    names.METRIC_ENGINE_CONTENTION,
    "1",
    "Share of time that an engine's threads waited for a core; with fewer threads than usual, when "
    "more were last tried.",
    _MODEL,
)
ENGINE_STATE = gauge(
    names.METRIC_ENGINE_STATE,
    "{engine}",
    "1 for the state that an engine is in, 0 for the others.",
    (*_MODEL, names.STATE),
)
ENGINE_CONFIG_INFO = gauge(
    names.METRIC_ENGINE_CONFIG_INFO,
    "",
    "1: what the engine that is ready runs with.",
    (*_MODEL, *CONFIG_LABELS),
)
SLOTS = gauge(names.METRIC_SLOTS, "{slot}", "Slots by state.", (*_MODEL, names.STATE))
QUEUE_DEPTH = gauge(names.METRIC_QUEUE_DEPTH, "{request}", "Requests that wait for a slot.", _MODEL)
QUEUE_OLDEST_AGE = gauge(
    names.METRIC_QUEUE_OLDEST_AGE, "s", "How long the oldest waiting request has waited.", _MODEL
)
PREDICTED_WAIT = gauge(
    names.METRIC_PREDICTED_WAIT,
    "s",
    "Until the next first token of those who wait for one, as predicted; 0 while nobody waits.",
    _MODEL,
)
KV_USAGE = gauge(
    names.METRIC_KV_USAGE,
    "{token}",
    "KV cells that running requests use; those of idle prefixes are in the prefix cache's tier kv.",
    _MODEL,
)
KV_LIMIT = gauge(names.METRIC_KV_LIMIT, "{token}", "KV cells there are.", _MODEL)
CACHE_QUERIES = counter(
    names.METRIC_CACHE_QUERIES,
    "{token}",
    "Prompt tokens looked up in the prefix cache, of requests that got their first token; minus the "
    "hits of a reason, its misses.",
    (*_MODEL, names.REASON),
)
CACHE_HITS = counter(
    names.METRIC_CACHE_HITS,
    "{token}",
    "Prompt tokens that the prefix cache supplied, of requests that got their first token; hits / "
    "queries is the cached share.",
    (*_MODEL, names.SOURCE, names.REASON),
)
CACHE_EVICTIONS = counter(
    names.METRIC_CACHE_EVICTIONS,
    "{token}",
    "Tokens that a tier of the prefix cache let go.",
    (*_MODEL, names.SOURCE),
)
CACHE_LOST = counter(
    names.METRIC_CACHE_LOST,
    "{token}",
    "Prompt tokens that were computed again because the client changed what came before them, by the "
    "kind of client.",
    (*_MODEL, names.CLIENT, names.REASON),
)
CACHE_BYTES = gauge(
    names.METRIC_CACHE_BYTES, "By", "Bytes in a tier of the prefix cache (ram, disk).", (*_MODEL, names.TIER)
)
CACHE_ENTRIES = gauge(
    names.METRIC_CACHE_ENTRIES, "{entry}", "Prefixes in a tier of the prefix cache.", (*_MODEL, names.TIER)
)
CACHE_DISCARDED = counter(
    names.METRIC_CACHE_DISCARDED,
    "{file}",
    "Cache files of no use: corrupt, foreign, unreadable; disk_off: the disk tier as a whole.",
    (*_MODEL, names.REASON),
)
CACHE_RESTORE_FAILURES = counter(
    names.METRIC_CACHE_RESTORE_FAILURES,
    "{restore}",
    "Cached states that could not be read back; the prompt was computed.",
    _MODEL,
)
TTFT_PREDICTION_ERROR = histogram(
    names.METRIC_TTFT_PREDICTION_ERROR,
    "s",
    "How far the time to first token predicted at admission was off: `over` came sooner, `under` later.",
    (*_MODEL, names.DIRECTION),
    TTFT_BUCKETS,
)
LOAD_DURATION = histogram(names.METRIC_LOAD_DURATION, "s", "Time to load a model.", _MODEL, DURATION_BUCKETS)
LOADS = counter(
    names.METRIC_LOADS, "{load}", "Loads of a model by outcome (ready, failed).", (*_MODEL, names.STATE)
)
SPEED_CHANGES = counter(
    names.METRIC_SPEED_CHANGES,
    "{change}",
    "Speeds that changed beyond noise with the engine's configuration.",
    (*_MODEL, names.DIRECTION),
)
ENERGY = counter(
    names.METRIC_ENERGY,
    "J",
    "Energy of CPU packages (RAPL) and GPUs (NVML): `active` while requests were computed, else "
    "`idle`; nothing without a source.",
    (names.STATE,),
)
MODEL_MEMORY = gauge(names.METRIC_MODEL_MEMORY, "By", "Resident memory of a model's engine process.", _MODEL)
MODEL_MEMORY_PARTS = gauge(
    names.METRIC_MODEL_MEMORY_PARTS,
    "By",
    "What a model's engine has allocated on all devices: weights, kv, compute buffers, and the RAM "
    "tier of its prefix cache.",
    (*_MODEL, names.PART),
)

ALL: tuple[Instrument, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Instrument)
)
"""Every one, in order of declaration."""
