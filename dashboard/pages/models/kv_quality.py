"""Savings and costs of smaller KV types: figures of `python -m bench.kv_quality`, for the Models page.

SmolLM2-135M-Instruct Q4_1, 305 tokens of fixed text, 2026-11-23 (bench/RESULTS.md); other models have others.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KvQuality:
    """One type for keys and values, against f16.

    Shares of its bytes and of tokens whose most likely one is the same, and the mean KL divergence in nat.
    """

    kv_type: str
    bytes_share: float
    top1_share: float
    kl_nat: float


KV_QUALITY = (
    KvQuality("f16", 1.0, 1.0, 0.0),
    KvQuality("q8_0", 0.53, 0.957, 0.0059),
    KvQuality("q4_0", 0.28, 0.830, 0.0624),
)
