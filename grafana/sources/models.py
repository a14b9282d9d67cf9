"""Dashboard *Models & configurations compared*: which one is how fast at which context.

An engine's configuration is no metric label. It lasts as long as its process, so an instance stands for one.
"""

from __future__ import annotations

from grafana.sources import queries as q
from grafana.sources.board import Board, Section
from grafana.sources.panels import (
    BYTES,
    COUNT,
    RATE,
    SECONDS,
    SHARE,
    TOKENS_PER_S,
    Column,
    Query,
    bars,
    compared,
    graph,
)

EACH = "gen_ai_request_model, job, instance"
BY_CONTEXT = "gen_ai_request_model, context_bucket"
LOAD = "firsttoken_model_load_duration_seconds"
LEGEND = "{{gen_ai_request_model}} · {{job}} · {{instance}}"
LEGEND_CONTEXT = "{{gen_ai_request_model}} · {{context_bucket}}"


def _over_range(p: float, metric: str) -> str:
    return q.quantile(p, metric, EACH, window=q.RANGE)


COLUMNS = [
    Column("Requests", COUNT, q.increase(q.REQUESTS, EACH)),
    Column("Failed", SHARE, q.failed_share(q.RANGE, EACH)),
    Column("TTFT p50", SECONDS, _over_range(0.5, q.TTFT)),
    Column("TTFT p95", SECONDS, _over_range(0.95, q.TTFT)),
    Column("Output rate p50", TOKENS_PER_S, _over_range(0.5, q.OUTPUT_RATE)),
    Column("Output rate p5 (slow)", TOKENS_PER_S, _over_range(0.05, q.OUTPUT_RATE)),
    Column("Prefill rate p50", TOKENS_PER_S, _over_range(0.5, q.PROMPT_RATE)),
    Column("Prefill rate p5 (slow)", TOKENS_PER_S, _over_range(0.05, q.PROMPT_RATE)),
    Column("Time per token p95", SECONDS, _over_range(0.95, "gen_ai_server_time_per_output_token_seconds")),
    Column("Load", SECONDS, q.mean_since_start(LOAD, EACH)),
    Column("Memory", BYTES, q.total("firsttoken_model_memory_bytes", EACH)),
    Column("KV cells", COUNT, q.total("firsttoken_kv_cache_limit", EACH)),
    Column("Slots", COUNT, q.total("firsttoken_engine_slots", EACH)),
]

CONFIGURATION = {
    "gen_ai_request_model": "Model",
    "config_id": "Configuration",
    "model_file": "File",
    "quantisation": "Quantisation",
    "kv_type_k": "KV keys",
    "kv_type_v": "KV values",
    "threads": "Threads",
    "n_ctx": "Context",
    "slots": "Slots",
    "gpu_layers": "GPU layers",
    "llama_cpp_build": "llama.cpp",
}
"""Label → heading."""

MODELS = Board(
    uid="firsttoken-models",
    title="firsttoken: Models & configurations compared",
    description=(
        "Which model, on which configuration, is how fast at which context. An instance (one run of the"
        " gateway) stands for a configuration."
    ),
    by_context=True,
    sections=[
        Section(
            "Side by side, over the chosen time range",
            [
                compared(
                    "Models and instances",
                    "One row per model and instance. An engine's configuration lasts as long as its process:"
                    " to compare two, restart with the other one (over OTLP that is a new instance) or run"
                    " both under their own job names.",
                    {"gen_ai_request_model": "Model", "job": "Job", "instance": "Instance"},
                    COLUMNS,
                ),
                compared(
                    "Configurations in use",
                    "What each engine that is ready runs with, and how many engines run with it.",
                    CONFIGURATION,
                    [
                        Column(
                            "Engines",
                            COUNT,
                            q.total("firsttoken_engine_config_info", ", ".join(CONFIGURATION)),
                        )
                    ],
                ),
            ],
        ),
        Section(
            "By context, over the chosen time range",
            [
                bars(
                    "Time to first token, p95",
                    "95th percentile by model and prompt tokens.",
                    SECONDS,
                    q.quantile(0.95, q.TTFT_BY_CONTEXT, BY_CONTEXT, scope=q.CONTEXT, window=q.RANGE),
                    LEGEND_CONTEXT,
                    width=8,
                ),
                bars(
                    "Output rate, p50",
                    "Median tokens per second of an answer after its first token, by model and prompt"
                    " tokens.",
                    TOKENS_PER_S,
                    q.quantile(0.5, q.OUTPUT_RATE, BY_CONTEXT, scope=q.CONTEXT, window=q.RANGE),
                    LEGEND_CONTEXT,
                    width=8,
                ),
                bars(
                    "Prefill rate, p50",
                    "Median computed prompt tokens per second of prefill, by model and prompt tokens.",
                    TOKENS_PER_S,
                    q.quantile(0.5, q.PROMPT_RATE, BY_CONTEXT, scope=q.CONTEXT, window=q.RANGE),
                    LEGEND_CONTEXT,
                    width=8,
                ),
            ],
        ),
        Section(
            "Over time",
            [
                graph(
                    "Changes of speed",
                    "Speeds that changed beyond noise when the engine's configuration did, per hour. The"
                    " Models page of the dashboard says which.",
                    COUNT,
                    Query(
                        q.increase(
                            "firsttoken_speed_changes_total", "gen_ai_request_model, direction", window="1h"
                        ),
                        "{{gen_ai_request_model}} · {{direction}}",
                    ),
                ),
                graph(
                    "Requests",
                    "Completed requests per second.",
                    RATE,
                    Query(q.rate(q.REQUESTS, EACH), LEGEND),
                ),
                graph(
                    "Time to first token, p95",
                    "95th percentile, by model and instance.",
                    SECONDS,
                    Query(q.quantile(0.95, q.TTFT, EACH), LEGEND, exemplars=True),
                ),
                graph(
                    "Output rate, p50 and p5",
                    "Tokens per second of an answer after its first token, by model and instance: the median,"
                    " and p5, the slow side of a rate.",
                    TOKENS_PER_S,
                    Query(q.quantile(0.5, q.OUTPUT_RATE, EACH), LEGEND),
                    Query(q.quantile(0.05, q.OUTPUT_RATE, EACH), f"p5 · {LEGEND}"),
                ),
                graph(
                    "Inter-token latency, p95",
                    "95th percentile of the time between two sampled tokens, by model and instance.",
                    SECONDS,
                    Query(q.quantile(0.95, "firsttoken_inter_token_latency_seconds", EACH), LEGEND),
                ),
            ],
        ),
    ],
)
