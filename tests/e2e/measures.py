"""Where pages, reports and metrics show the same measures, and how pages write them."""

from __future__ import annotations

from dashboard.words import formats
from telemetry.store.rollups.measures import Measure

TIMES, RATES = ("p50", "p95", "p99"), ("p50", "p5", "p95")
CARDS = {
    "Time to first token": (Measure.TTFT, TIMES),
    "Inter-token latency": (Measure.INTER_TOKEN, TIMES),
    "Output rate": (Measure.OUTPUT_RATE, RATES),
    "Prompt rate": (Measure.PROMPT_RATE, RATES),
}
COLUMNS = {
    "ttft_ms": TIMES,
    "inter_token_ms": TIMES,
    "output_rate": RATES,
    "prompt_rate": RATES,
    "queue_ms": TIMES,
}
METRICS = {
    "ttft_ms": "gen_ai_server_time_to_first_token_seconds",
    "inter_token_ms": "firsttoken_inter_token_latency_seconds",
    "output_rate": "firsttoken_output_rate_per_second",
    "prompt_rate": "firsttoken_prompt_rate_per_second",
}
BURNS = {"5m": "5m", "30m": "30m", "60m": "1h", "360m": "6h"}
"""Windows as `/api/slo` and as `/metrics` name them."""


def shown(name: str, value: float | None) -> str:
    """A measure's value as pages write it."""
    return formats.rate(value) if name.endswith("rate") else formats.milliseconds(value)


def sorted_like(parts: dict[str, dict[str, str]], rows: list[list[str]]) -> list[tuple[str, dict[str, str]]]:
    """Health has the gravest part first; here in the order of the Overview's table."""
    return [(cells[0], parts[f"Objective: {cells[0]}"]) for cells in rows]
