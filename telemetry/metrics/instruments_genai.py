"""Metrics of the GenAI conventions, each declared once;
`telemetry.metrics.catalog.ALL` has them with those of our own.
"""

from __future__ import annotations

from telemetry import semconv as names
from telemetry.metrics.buckets import DURATION_BUCKETS, TOKEN_BUCKETS, TPOT_BUCKETS, TTFT_BUCKETS
from telemetry.metrics.instrument import Instrument, counter, histogram

REQUEST_LABELS = (
    names.GEN_AI_REQUEST_MODEL,
    names.GEN_AI_RESPONSE_MODEL,
    names.GEN_AI_OPERATION_NAME,
    names.ERROR_TYPE,
)
"""Of every metric about a request; an empty value means that the label does not apply."""
GEN_AI_LABELS = (*REQUEST_LABELS, names.GEN_AI_PROVIDER_NAME)
"""Of every `gen_ai.*` metric."""
_USAGE = (*GEN_AI_LABELS, names.GEN_AI_TOKEN_MODALITY)

# Times ------------------------------------------------------------------------------------------------------
REQUEST_DURATION = histogram(
    names.METRIC_REQUEST_DURATION,
    "s",
    "Wall time of a request, first byte read to last byte written.",
    GEN_AI_LABELS,
    DURATION_BUCKETS,
)
TTFT = histogram(
    names.METRIC_TTFT,
    "s",
    "First byte of the request read to first token sampled.",
    GEN_AI_LABELS,
    TTFT_BUCKETS,
)
TIME_PER_OUTPUT_TOKEN = histogram(
    names.METRIC_TIME_PER_OUTPUT_TOKEN,
    "s",
    "Mean time per output token after the first.",
    GEN_AI_LABELS,
    TPOT_BUCKETS,
)
INFERENCE_DURATION = histogram(
    names.METRIC_INFERENCE_DURATION,
    "s",
    "Time of an inference operation: that of its span.",
    GEN_AI_LABELS,
    DURATION_BUCKETS,
)
INFERENCE_FIRST_CHUNK = histogram(
    names.METRIC_INFERENCE_FIRST_CHUNK,
    "s",
    "First byte read to first byte of a streamed answer written.",
    GEN_AI_LABELS,
    DURATION_BUCKETS,
)
INFERENCE_OUTPUT_CHUNK = histogram(
    names.METRIC_INFERENCE_OUTPUT_CHUNK,
    "s",
    "Time between two steps of the engine that brought tokens of a streamed answer.",
    GEN_AI_LABELS,
    DURATION_BUCKETS,
)
EMBEDDINGS_DURATION = histogram(
    names.METRIC_EMBEDDINGS_DURATION,
    "s",
    "Time of an embeddings operation: that of its span.",
    GEN_AI_LABELS,
    DURATION_BUCKETS,
)

# Tokens -----------------------------------------------------------------------------------------------------
INPUT_TOKENS = counter(names.METRIC_INPUT_TOKENS, "{token}", "Prompt tokens, cached ones included.", _USAGE)
OUTPUT_TOKENS = counter(names.METRIC_OUTPUT_TOKENS, "{token}", "Tokens sampled.", _USAGE)
CACHE_READ_TOKENS = counter(
    names.METRIC_CACHE_READ_TOKENS,
    "{token}",
    "Prompt tokens that the prefix cache had, of all requests.",
    _USAGE,
)
CACHE_WRITE_TOKENS = counter(
    names.METRIC_CACHE_WRITE_TOKENS,
    "{token}",
    "Prompt tokens that were computed and kept in the prefix cache.",
    _USAGE,
)
OPERATION_INPUT_TOKENS = histogram(
    names.METRIC_OPERATION_INPUT_TOKENS,
    "{token}",
    "Prompt length of an inference operation.",
    GEN_AI_LABELS,
    TOKEN_BUCKETS,
)
OPERATION_OUTPUT_TOKENS = histogram(
    names.METRIC_OPERATION_OUTPUT_TOKENS,
    "{token}",
    "Answer length of an inference operation.",
    GEN_AI_LABELS,
    TOKEN_BUCKETS,
)
EMBEDDINGS_INPUT_TOKENS = histogram(
    names.METRIC_EMBEDDINGS_INPUT_TOKENS,
    "{token}",
    "Input length of an embeddings operation.",
    GEN_AI_LABELS,
    TOKEN_BUCKETS,
)

ALL: tuple[Instrument, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Instrument)
)
"""Every one, in order of declaration."""
