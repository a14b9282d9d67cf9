"""What smaller KV types save and cost: figures of `python -m bench.kv_quality`, kept here for the Models page.

SmolLM2-135M-Instruct Q4_1, 305 tokens of fixed text, 2026-11-23 (bench/RESULTS.md); another model has other figures.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KvQuality:
    """One type for keys and values: bytes against f16's, how often the most likely token is f16's, and the mean KL divergence (nat)."""

    kv_type: str
    bytes_share: float
    top1_share: float
    kl_nat: float


KV_QUALITY = (KvQuality("f16", 1.0, 1.0, 0.0), KvQuality("q8_0", 0.53, 0.957, 0.0059), KvQuality("q4_0", 0.28, 0.830, 0.0624))
