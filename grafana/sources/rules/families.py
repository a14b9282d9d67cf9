"""Which metric families must be there, and what proves that they must, process by process.

A family without series is normal before its first event, so each group names evidence: an expression by job
and instance. A family is missing where a process has the evidence and not the family, whatever other
processes have.
"""

from __future__ import annotations

from dataclasses import dataclass

from grafana.sources.queries import ALIVE, REQUESTS

GATEWAY_RUNS = f"count by (job, instance) ({ALIVE})"
ENGINE_RUNS = 'sum by (job, instance) (firsttoken_engine_state{state="ready"}) > 0'
"""Now: the gauges of an engine that ended go with it."""
WAS_ANSWERED = "sum by (job, instance) (firsttoken_requests_finished_total) > 0"
"""By a model: embeddings have no reason to finish."""
LONGER_ANSWERS = (
    "sum by (job, instance) (gen_ai_client_inference_usage_output_tokens_total) > sum by (job, instance)"
    f" ({REQUESTS})"
)
HISTOGRAM = "_count"


@dataclass(frozen=True, slots=True)
class Group:
    """Families that must be there whenever the evidence holds. A histogram is named by its `_count`; its
    native form counts as well.
    """

    alert: str
    summary: str
    evidence: str
    metrics: tuple[str, ...]
    severity: str = "warning"

    @property
    def value(self) -> str:
        """One series per process and missing family, with the family's name in the label `family`."""
        return " or ".join(
            f'label_replace(({self.evidence}) unless on (job, instance) {_any(m)}, "family", "{m}", "", "")'
            for m in self.metrics
        )


def _any(metric: str) -> str:
    return f"({metric} or {metric.removesuffix(HISTOGRAM)})" if metric.endswith(HISTOGRAM) else metric


GROUPS = (
    Group(
        "FirsttokenGatewayMetricAbsent",
        "A gateway runs, but there is no",
        GATEWAY_RUNS,
        (
            "process_cpu_time_seconds_total",
            "process_memory_usage_bytes",
            "system_filesystem_usage_bytes",
            "firsttoken_build_info",
            "firsttoken_event_loop_lag_seconds_count",
            "firsttoken_requests_rejected_total",
            "firsttoken_store_queue_size",
            "firsttoken_store_pruned_total",
            "firsttoken_store_flush_duration_seconds_count",
        ),
    ),
    Group(
        "FirsttokenEngineMetricAbsent",
        "An engine is ready, but there is no",
        ENGINE_RUNS,
        (
            "firsttoken_requests_total",
            "firsttoken_requests_arrived_total",
            "firsttoken_requests_finished_total",
            "firsttoken_engine_config_info",
            "firsttoken_engine_slots",
            "firsttoken_queue_depth",
            "firsttoken_queue_oldest_age_seconds",
            "firsttoken_kv_cache_usage",
            "firsttoken_kv_cache_limit",
            "firsttoken_engine_threads",
            "firsttoken_model_memory_bytes",
            "firsttoken_model_memory_parts_bytes",
            "firsttoken_model_load_duration_seconds_count",
            "firsttoken_speed_changes_total",
            "firsttoken_prefix_cache_bytes",
            "firsttoken_prefix_cache_entries",
            "firsttoken_prefix_cache_evictions_total",
            "firsttoken_prefix_cache_discarded_total",
            "firsttoken_prefix_cache_restore_failures_total",
        ),
    ),
    Group(
        "FirsttokenRequestMetricAbsent",
        "Requests were answered, but there is no",
        WAS_ANSWERED,
        (
            "gen_ai_server_request_duration_seconds_count",
            "gen_ai_server_time_to_first_token_seconds_count",
            "gen_ai_client_inference_usage_input_tokens_total",
            "gen_ai_client_inference_usage_output_tokens_total",
            "gen_ai_client_inference_usage_cache_read_input_tokens_total",
            "gen_ai_client_inference_usage_cache_write_input_tokens_total",
            "gen_ai_client_inference_duration_seconds_count",
            "gen_ai_client_inference_operation_input_tokens_count",
            "gen_ai_client_inference_operation_output_tokens_count",
            "firsttoken_ttft_by_context_seconds_count",
            "firsttoken_phase_duration_seconds_count",
            "firsttoken_overhead_duration_seconds_count",
            "firsttoken_engine_tokens_total",
            "firsttoken_engine_time_seconds_total",
            "firsttoken_engine_batch_sequences_count",
            "firsttoken_engine_batch_tokens_count",
            "firsttoken_engine_step_duration_seconds_count",
            "firsttoken_prefix_cache_queries_total",
            "firsttoken_prefix_cache_hits_total",
            "firsttoken_ttft_prediction_error_seconds_count",
            "http_server_request_duration_seconds_count",
            "http_server_active_requests",
        ),
    ),
    Group(
        "FirsttokenTokenMetricAbsent",
        "Answers had more than one token, but there is no",
        LONGER_ANSWERS,
        (
            "gen_ai_server_time_per_output_token_seconds_count",
            "firsttoken_inter_token_latency_seconds_count",
            "firsttoken_output_rate_per_second_count",
            "firsttoken_prompt_rate_per_second_count",
        ),
    ),
    Group(
        "FirsttokenModelLoadsAbsent",
        "Engines report, but there is no",
        "count by (job, instance) (firsttoken_engine_slots)",
        ("firsttoken_model_loads_total", "firsttoken_engine_state"),
    ),
)

CONDITIONAL = {
    "firsttoken_engine_contention_ratio": (
        "exists once an engine with several threads has computed for a while"
    ),
    "firsttoken_draft_tokens_total": "exists from the first draft on (speculative decoding)",
    "firsttoken_delay_time_seconds_total": "exists from the first request on that waited for another",
    "firsttoken_requests_good_total": "only where both objectives are set (slo.*)",
    "firsttoken_queue_predicted_wait_seconds": "exists while somebody's wait can be predicted",
    "firsttoken_prefix_cache_lost_total": "exists from the first client on that changed what came before",
    "firsttoken_client_blocked_duration_seconds": "exists from the first streamed answer on",
    "gen_ai_client_inference_time_to_first_chunk_seconds": "exists from the first streamed answer on",
    "gen_ai_client_inference_time_per_output_chunk_seconds": "exists from the first streamed answer on",
    "gen_ai_client_embeddings_duration_seconds": "exists from the first embeddings request on",
    "gen_ai_client_embeddings_operation_input_tokens": "exists from the first embeddings request on",
    "firsttoken_request_ignored_fields_total": "exists from the first field on that was not obeyed",
    "firsttoken_telemetry_source_failures_total": "exists from the first failure on",
    "firsttoken_slo_burn_rate": "exists from the first request on",
    "firsttoken_slo_budget_left": "exists from the first request on",
    "firsttoken_store_file_size_bytes": "SQLite only",
    "firsttoken_store_file_limit_bytes": "SQLite with store.max_bytes only",
    "firsttoken_energy_joules_total": "only where RAPL or NVML can be read",
    "firsttoken_process_file_descriptors": "not on Windows",
    "otel_sdk_exporter_span_exported_total": "only with a collector for traces",
    "otel_sdk_exporter_log_exported_total": "only with a collector for logs",
    "otel_sdk_exporter_metric_data_point_exported_total": "only with a collector for metrics",
    "otel_sdk_processor_span_processed_total": "only with a collector for traces",
    "otel_sdk_processor_log_processed_total": "only with a collector for logs",
}
"""Families that may be missing on a healthy gateway, and why: no rule watches them."""
