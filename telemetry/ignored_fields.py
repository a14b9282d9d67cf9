"""Fields of requests that an API took and did not obey: which of them may be labels of a metric."""

from __future__ import annotations

OTHER = "_other"
"""Stands for every field that is not in `LABELS`: what clients invent makes no series."""

LABELS = frozenset(
    {
        "cache_salt", "chat_template_kwargs", "detokenize", "id_slot", "include_reasoning", "keep_alive",
        "length_penalty", "logits_processors", "messages[].name", "metadata", "min_keep", "moderation",
        "mm_processor_kwargs", "n_keep", "options", "prompt_cache_key", "prompt_cache_options",
        "prompt_cache_retention", "provider", "reasoning", "reasoning_effort", "request_id",
        "return_tokens", "safety_identifier", "samplers", "service_tier", "skip_special_tokens",
        "spaces_between_special_tokens", "store", "stream_options.include_obfuscation",
        "stream_options.continuous_usage_stats", "t_max_predict_ms", "tfs_z", "think", "thinking",
        "timings_per_token", "top_a", "truncate_prompt_tokens", "vllm_xargs",
    }
)  # fmt: skip
"""Known from other servers."""

MAX_FIELDS = 16
MAX_CHARS = 64
"""The limits of what a record keeps of them."""


def kept(fields: list[str]) -> tuple[str, ...]:
    """The names that a record keeps, in their order, each once."""
    storable = (field.replace("\x00", "").encode("utf-8", "replace").decode() for field in fields)
    return tuple(dict.fromkeys(field[:MAX_CHARS] for field in storable))[:MAX_FIELDS]


def label(field: str) -> str:
    """The field as a metric's label."""
    return field if field in LABELS else OTHER
