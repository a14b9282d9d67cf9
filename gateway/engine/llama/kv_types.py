"""The types that keys and values may have in the KV cache, and which go together."""

from __future__ import annotations

TYPES = {"f16": 1, "bf16": 30, "q8_0": 8, "q5_1": 7, "q5_0": 6, "q4_1": 3, "q4_0": 2, "iq4_nl": 20}
"""Names and their `ggml_type` (ggml.h)."""

BITS = {
    "f16": 16.0,
    "bf16": 16.0,
    "q8_0": 8.5,
    "q5_1": 6.0,
    "q5_0": 5.5,
    "q4_1": 5.0,
    "q4_0": 4.5,
    "iq4_nl": 4.5,
}
"""Bits per value, block scales included."""

EXACT = ("f16", "bf16")


def refusal(keys: str, values: str, *, flash_attention: bool) -> str:
    """The reason why this pair cannot be served, with what to do, or ''.

    Source: llama.cpp's own check (`llama_init_from_model`: "V cache quantization requires flash_attn"):
    without flash attention values are stored transposed, which blocks of quantised values do not allow.
    """
    for name, setting in ((keys, "engine.kv_type_k"), (values, "engine.kv_type_v")):
        if name not in TYPES:
            return f"{setting} {name!r} is not a KV type; use one of {', '.join(TYPES)}."
    if values not in EXACT and not flash_attention:
        return (
            f"engine.kv_type_v {values!r} is quantised, which needs flash attention: turn"
            " engine.flash_attention on, or use f16 or bf16."
        )
    return ""


def share(keys: str, values: str) -> float:
    """Bytes of this pair, as a part of f16's."""
    return (BITS[keys] + BITS[values]) / 32
