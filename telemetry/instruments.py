"""Every metric, declared once: name, unit, kind, buckets, labels, help. Both metric backends are built from `ALL`."""

from __future__ import annotations

from telemetry import semconv as names
from telemetry.instrument import Instrument, Kind

# Boundaries ---------------------------------------------------------------------------------------------------------
DURATION_BUCKETS = tuple(round(0.01 * 2**n, 2) for n in range(18))
"""0.01 doubling to 1310.72 s: the boundaries of the GenAI convention, carried on for long answers."""
TTFT_BUCKETS = (.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 15, 20, 30, 60, 120, 300)  # fmt: skip
TPOT_BUCKETS = (.001, .002, .003, .004, .005, .0075, .01, .015, .02, .025, .03, .04, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5)  # fmt: skip
OUTPUT_RATE_BUCKETS = (1, 2, 5, 10, 20, 30, 40, 60, 80, 100, 150, 200, 300, 500, 1000)
PROMPT_RATE_BUCKETS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000)
INTER_TOKEN_BUCKETS = (.001, .002, .003, .005, .0075, .01, .015, .02, .03, .04, .05, .075, .1, .15, .2, .3, .5, 1, 2.5, 5)  # fmt: skip
PHASE_BUCKETS = (.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300)  # fmt: skip
OVERHEAD_BUCKETS = (.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25)  # fmt: skip
HTTP_BUCKETS = (.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10)  # fmt: skip
"""Those of the HTTP convention."""
BATCH_SEQUENCE_BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128, 256)
BATCH_TOKEN_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)

# Labels -------------------------------------------------------------------------------------------------------------
REQUEST_LABELS = (names.GEN_AI_REQUEST_MODEL, names.GEN_AI_RESPONSE_MODEL, names.GEN_AI_OPERATION_NAME, names.ERROR_TYPE)
"""Of every metric about a request; an empty value means that the label does not apply."""
_MODEL = (names.GEN_AI_REQUEST_MODEL,)
_BY_CONTEXT = (*REQUEST_LABELS, names.CONTEXT_BUCKET)
_HTTP_ACTIVE = (names.HTTP_REQUEST_METHOD, names.URL_SCHEME)


def _histogram(name: str, unit: str, help_: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Instrument:
    return Instrument(name, Kind.HISTOGRAM, unit, help_, labels, buckets)


def _counter(name: str, unit: str, help_: str, labels: tuple[str, ...] = ()) -> Instrument:
    return Instrument(name, Kind.COUNTER, unit, help_, labels)


def _gauge(name: str, unit: str, help_: str, labels: tuple[str, ...] = ()) -> Instrument:
    return Instrument(name, Kind.GAUGE, unit, help_, labels)


# Requests -----------------------------------------------------------------------------------------------------------
REQUEST_DURATION = _histogram(
    names.METRIC_REQUEST_DURATION, "s", "Wall time of a request, first byte read to last byte written.", REQUEST_LABELS, DURATION_BUCKETS
)
TTFT = _histogram(names.METRIC_TTFT, "s", "First byte of the request read to first token sampled.", REQUEST_LABELS, TTFT_BUCKETS)
TIME_PER_OUTPUT_TOKEN = _histogram(
    names.METRIC_TIME_PER_OUTPUT_TOKEN, "s", "Mean time per output token after the first.", REQUEST_LABELS, TPOT_BUCKETS
)
INPUT_TOKENS = _counter(names.METRIC_INPUT_TOKENS, "{token}", "Prompt tokens, cached ones included.", REQUEST_LABELS)
OUTPUT_TOKENS = _counter(names.METRIC_OUTPUT_TOKENS, "{token}", "Tokens sampled.", REQUEST_LABELS)
CACHE_READ_TOKENS = _counter(
    names.METRIC_CACHE_READ_TOKENS, "{token}", "Prompt tokens that the prefix cache had, of all requests.", REQUEST_LABELS
)
OUTPUT_RATE = _histogram(
    names.METRIC_OUTPUT_RATE, "{token}/s", "(output tokens - 1) / (last - first token), per request.", _BY_CONTEXT, OUTPUT_RATE_BUCKETS
)
PROMPT_RATE = _histogram(
    names.METRIC_PROMPT_RATE,
    "{token}/s",
    "Computed (uncached) prompt tokens per second of prefill, per request.",
    _BY_CONTEXT,
    PROMPT_RATE_BUCKETS,
)
TTFT_BY_CONTEXT = _histogram(names.METRIC_TTFT_BY_CONTEXT, "s", "Time to first token by context size.", _BY_CONTEXT, TTFT_BUCKETS)
INTER_TOKEN = _histogram(
    names.METRIC_INTER_TOKEN,
    "s",
    "Time between two sampled tokens of one request; those of one step share its time.",
    _MODEL,
    INTER_TOKEN_BUCKETS,
)
PHASE_DURATION = _histogram(
    names.METRIC_PHASE_DURATION, "s", "Time that a request spent in a phase.", (*_MODEL, names.PHASE), PHASE_BUCKETS
)
OVERHEAD = _histogram(
    names.METRIC_OVERHEAD, "s", "The gateway's own time: wall minus queue, engine and waiting for the client.", _MODEL, OVERHEAD_BUCKETS
)
DELAY_TIME = _counter(
    names.METRIC_DELAY_TIME,
    "s",
    "Time that requests lost to other requests (estimated where prompts are computed in shared steps) and to model loads, by cause.",
    (*_MODEL, names.CAUSE),
)
REJECTED = _counter(names.METRIC_REJECTED, "{request}", "Requests turned away at the door.", (names.REASON,))

IGNORED_FIELDS = _counter(
    names.METRIC_IGNORED_FIELDS,
    "{field}",
    "Fields of requests that the API took and did not obey; `_other` is every one that no server is known to have.",
    (names.API, names.FIELD),
)

# Engines ------------------------------------------------------------------------------------------------------------
ENGINE_TOKENS = _counter(
    names.METRIC_ENGINE_TOKENS,
    "{token}",
    "Tokens that went through an engine: `cached` ones were not computed, `decode` are those of answers, accepted guesses among them.",
    (*_MODEL, names.PHASE),
)
DRAFT_TOKENS = _counter(
    names.METRIC_DRAFT_TOKENS,
    "{token}",
    "Tokens guessed ahead (speculative decoding), by who guessed (`lookup`, `draft_model`) and whether the model `accepted` or `rejected` them.",
    (*_MODEL, names.SOURCE, names.STATE),
)
ENGINE_TIME = _counter(
    names.METRIC_ENGINE_TIME,
    "s",
    "Time of the engine's steps that held tokens of the phase; a mixed step counts for both.",
    (*_MODEL, names.PHASE),
)
BATCH_SEQUENCES = _histogram(names.METRIC_BATCH_SEQUENCES, "{sequence}", "Sequences in one step.", _MODEL, BATCH_SEQUENCE_BUCKETS)
BATCH_TOKENS = _histogram(names.METRIC_BATCH_TOKENS, "{token}", "Tokens in one step.", _MODEL, BATCH_TOKEN_BUCKETS)
STEP_DURATION = _histogram(names.METRIC_STEP_DURATION, "s", "Time of one llama_decode.", _MODEL, INTER_TOKEN_BUCKETS)
ENGINE_THREADS = _gauge(
    names.METRIC_ENGINE_THREADS, "{thread}", "CPU threads that an engine computes with now: fewer while others take the cores.", _MODEL
)
ENGINE_CONTENTION = _gauge(
    names.METRIC_ENGINE_CONTENTION,
    "1",
    "Share of time that an engine's threads waited for a core; with fewer threads than usual, when more were last tried.",
    _MODEL,
)
SLOTS = _gauge(names.METRIC_SLOTS, "{slot}", "Slots by state.", (*_MODEL, names.STATE))
QUEUE_DEPTH = _gauge(names.METRIC_QUEUE_DEPTH, "{request}", "Requests that wait for a slot.", _MODEL)
QUEUE_OLDEST_AGE = _gauge(names.METRIC_QUEUE_OLDEST_AGE, "s", "How long the oldest waiting request has waited.", _MODEL)
KV_USAGE = _gauge(
    names.METRIC_KV_USAGE,
    "{token}",
    "KV cells that running requests use; those of idle prefixes are in the prefix cache's tier kv.",
    _MODEL,
)
KV_LIMIT = _gauge(names.METRIC_KV_LIMIT, "{token}", "KV cells there are.", _MODEL)
CACHE_QUERIES = _counter(
    names.METRIC_CACHE_QUERIES,
    "{token}",
    "Prompt tokens looked up in the prefix cache, of requests that got their first token; minus the hits of a reason, its misses.",
    (*_MODEL, names.REASON),
)
CACHE_HITS = _counter(
    names.METRIC_CACHE_HITS,
    "{token}",
    "Prompt tokens that the prefix cache supplied, of requests that got their first token; hits / queries is the cached share.",
    (*_MODEL, names.SOURCE, names.REASON),
)
CACHE_EVICTIONS = _counter(
    names.METRIC_CACHE_EVICTIONS, "{token}", "Tokens that a tier of the prefix cache let go.", (*_MODEL, names.SOURCE)
)
CACHE_BYTES = _gauge(names.METRIC_CACHE_BYTES, "By", "Bytes in a tier of the prefix cache (ram, disk).", (*_MODEL, names.TIER))
CACHE_ENTRIES = _gauge(names.METRIC_CACHE_ENTRIES, "{entry}", "Prefixes in a tier of the prefix cache.", (*_MODEL, names.TIER))
CACHE_DISCARDED = _counter(
    names.METRIC_CACHE_DISCARDED,
    "{file}",
    "Cache files of no use: corrupt, foreign, unreadable; disk_off: the disk tier as a whole.",
    (*_MODEL, names.REASON),
)
CACHE_RESTORE_FAILURES = _counter(
    names.METRIC_CACHE_RESTORE_FAILURES, "{restore}", "Cached states that could not be read back; the prompt was computed.", _MODEL
)
TTFT_PREDICTION_ERROR = _histogram(
    names.METRIC_TTFT_PREDICTION_ERROR,
    "s",
    "How far the time to first token predicted at admission was off: `over` came sooner, `under` later.",
    (*_MODEL, names.DIRECTION),
    TTFT_BUCKETS,
)
LOAD_DURATION = _histogram(names.METRIC_LOAD_DURATION, "s", "Time to load a model.", _MODEL, DURATION_BUCKETS)
LOADS = _counter(names.METRIC_LOADS, "{load}", "Loads of a model by outcome (ready, failed).", (*_MODEL, names.STATE))
SPEED_CHANGES = _counter(
    names.METRIC_SPEED_CHANGES,
    "{change}",
    "Speeds that changed beyond noise with the engine's configuration.",
    (*_MODEL, names.DIRECTION),
)
ENERGY = _counter(
    names.METRIC_ENERGY,
    "J",
    "Energy of CPU packages (RAPL) and GPUs (NVML): `active` while requests were computed, else `idle`; nothing without a source.",
    (names.STATE,),
)
MODEL_MEMORY = _gauge(names.METRIC_MODEL_MEMORY, "By", "Resident memory of a model's engine process.", _MODEL)
MODEL_MEMORY_PARTS = _gauge(
    names.METRIC_MODEL_MEMORY_PARTS,
    "By",
    "What a model's engine has allocated on all devices: weights, kv, compute buffers, and the RAM tier of its prefix cache.",
    (*_MODEL, names.PART),
)

# The gateway and its telemetry --------------------------------------------------------------------------------------
LOOP_LAG = _histogram(names.METRIC_LOOP_LAG, "s", "How late the gateway's event loop runs a timer.", (), OVERHEAD_BUCKETS)
HTTP_DURATION = _histogram(
    names.METRIC_HTTP_DURATION,
    "s",
    "Duration of HTTP server requests.",
    (names.HTTP_REQUEST_METHOD, names.HTTP_ROUTE, names.HTTP_RESPONSE_STATUS_CODE, names.URL_SCHEME, names.ERROR_TYPE),
    HTTP_BUCKETS,
)
HTTP_ACTIVE = Instrument(names.METRIC_HTTP_ACTIVE, Kind.UP_DOWN, "{request}", "HTTP server requests in flight.", _HTTP_ACTIVE)
SLO_BURN_RATE = _gauge(
    names.METRIC_SLO_BURN_RATE,
    "{ratio}",
    "How many times faster than allowed an objective's budget is spent.",
    (names.OBJECTIVE, names.WINDOW),
)
SLO_BUDGET_LEFT = _gauge(
    names.METRIC_SLO_BUDGET_LEFT, "{ratio}", "What is left of an objective's budget: 1 is untouched, 0 is spent.", (names.OBJECTIVE,)
)
STORE_QUEUE = _gauge(names.METRIC_STORE_QUEUE, "{event}", "Events waiting to be written to the store.")
STORE_DROPPED = _counter(names.METRIC_STORE_DROPPED, "{event}", "Events that the store lost: queue full or database failing.")
STORE_PRUNED = _counter(names.METRIC_STORE_PRUNED, "{request}", "Requests that the store forgot, by age or for its size.")
STORE_FLUSH = _histogram(names.METRIC_STORE_FLUSH, "s", "Time of one transaction of the store's writer.", (), PHASE_BUCKETS)
STORE_FILE_SIZE = _gauge(names.METRIC_STORE_FILE_SIZE, "By", "Size of the store's file and its write-ahead log (SQLite only).")
STORE_FILE_LIMIT = _gauge(
    names.METRIC_STORE_FILE_LIMIT, "By", "Size at which the store begins to forget requests (SQLite with store.max_bytes only)."
)
SOURCE_FAILURES = _counter(
    names.METRIC_SOURCE_FAILURES, "{failure}", "Readings of the gateway's own figures that failed, or took too long.", (names.SOURCE,)
)
FILESYSTEM_USAGE = Instrument(
    names.METRIC_FILESYSTEM_USAGE,
    Kind.UP_DOWN,
    "By",
    "Used and free bytes of the file system that the home folder is on.",
    (names.FILESYSTEM_STATE,),
)
PROCESS_CPU_TIME = _counter(names.METRIC_PROCESS_CPU_TIME, "s", "CPU time of the gateway process.", (names.CPU_MODE,))
PROCESS_MEMORY = Instrument(names.METRIC_PROCESS_MEMORY, Kind.UP_DOWN, "By", "Resident memory of the gateway process.")
PROCESS_FDS = _gauge(names.METRIC_PROCESS_FDS, "{file_descriptor}", "File descriptors that the gateway process has open.")
SDK_EXPORTED_SPANS = _counter(
    names.METRIC_SDK_EXPORTED_SPANS, "{span}", "Spans handed to the collector; error.type says which failed.", (names.ERROR_TYPE,)
)
SDK_EXPORTED_LOGS = _counter(
    names.METRIC_SDK_EXPORTED_LOGS,
    "{log_record}",
    "Log records handed to the collector; error.type says which failed.",
    (names.ERROR_TYPE,),
)
SDK_EXPORTED_POINTS = _counter(
    names.METRIC_SDK_EXPORTED_POINTS,
    "{data_point}",
    "Metric points handed to the collector; error.type says which failed.",
    (names.ERROR_TYPE,),
)
SDK_PROCESSED_SPANS = _counter(
    names.METRIC_SDK_PROCESSED_SPANS,
    "{span}",
    "Spans that left the batch queue; error.type queue_full counts the lost ones.",
    (names.ERROR_TYPE,),
)
SDK_PROCESSED_LOGS = _counter(
    names.METRIC_SDK_PROCESSED_LOGS,
    "{log_record}",
    "Log records that left the batch queue; error.type queue_full counts the lost ones.",
    (names.ERROR_TYPE,),
)

ALL: tuple[Instrument, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Instrument))
"""Every instrument, in order of declaration."""

BY_NAME: dict[str, Instrument] = {instrument.name: instrument for instrument in ALL}
