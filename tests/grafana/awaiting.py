"""Metrics that dashboards and rules already ask for and that the product does not have yet."""

from __future__ import annotations

AWAITED: dict[str, str] = dict.fromkeys(
    (
        "firsttoken_build_info",
        "firsttoken_client_blocked_duration_seconds",
        "firsttoken_engine_config_info",
        "firsttoken_engine_state",
        "firsttoken_prefix_cache_lost_total",
        "firsttoken_queue_predicted_wait_seconds",
        "firsttoken_requests_arrived_total",
        "firsttoken_requests_finished_total",
        "firsttoken_requests_good_total",
        "firsttoken_requests_total",
        "gen_ai_client_embeddings_duration_seconds",
        "gen_ai_client_embeddings_operation_input_tokens",
        "gen_ai_client_inference_duration_seconds",
        "gen_ai_client_inference_operation_input_tokens",
        "gen_ai_client_inference_operation_output_tokens",
        "gen_ai_client_inference_time_per_output_chunk_seconds",
        "gen_ai_client_inference_time_to_first_chunk_seconds",
        "gen_ai_client_inference_usage_cache_write_input_tokens_total",
    ),
    "comes with the signals of issue 18",
)
"""Name (a histogram's without its suffix) → why. A test fails for an entry that exists, so that the list only shrinks."""
