"""Dashboard *Gateway & telemetry health*: whether the gateway itself is well, and its figures can be
trusted.
"""

from __future__ import annotations

from grafana.sources import queries as q
from grafana.sources.board import Board, Section
from grafana.sources.objectives import LOOP_LAG_S
from grafana.sources.panels import BAD, BYTES, COUNT, RATE, SECONDS, SHARE, Query, graph

HTTP, LAG, FLUSH = (
    "http_server_request_duration_seconds",
    "firsttoken_event_loop_lag_seconds",
    "firsttoken_store_flush_duration_seconds",
)
EXPORTED = {
    "spans": "otel_sdk_exporter_span_exported_total",
    "log records": "otel_sdk_exporter_log_exported_total",
    "metric points": "otel_sdk_exporter_metric_data_point_exported_total",
}
PROCESSED = {
    "spans": "otel_sdk_processor_span_processed_total",
    "log records": "otel_sdk_processor_log_processed_total",
}
SENT, LOST = f'{q.GATEWAY},error_type=""', f'{q.GATEWAY},error_type!=""'


def _gateway(metric: str, by: str = "") -> str:
    return q.rate(metric, by, scope=q.GATEWAY)


PRESENCE = Section(
    "Gateways",
    [
        graph(
            "Instances",
            "Gateway processes that send metrics, by job. One that stops is missed here five minutes later at"
            " the latest.",
            COUNT,
            Query(f"count by (job) ({q.ALIVE}{{{q.GATEWAY}}})", "{{job}}"),
        ),
        graph(
            "Versions",
            "Gateway processes by the version that they run.",
            COUNT,
            Query(f"count by (job, version) (firsttoken_build_info{{{q.GATEWAY}}})", "{{job}} {{version}}"),
            stacked=True,
        ),
    ],
)

HTTP_SECTION = Section(
    "HTTP",
    [
        graph(
            "HTTP requests",
            "Requests of any kind per second by route and status, pages and scrapes included.",
            RATE,
            Query(
                q.count_rate(HTTP, "http_route, http_response_status_code", scope=q.GATEWAY),
                "{{http_route}} {{http_response_status_code}}",
            ),
            stacked=True,
        ),
        graph(
            "HTTP duration, p95",
            "95th percentile by route. The route of a model's answers takes as long as the answers.",
            SECONDS,
            Query(q.quantile(0.95, HTTP, "http_route", scope=q.GATEWAY), "{{http_route}}"),
        ),
        graph(
            "HTTP requests in flight",
            "Requests that are being answered, by method. Pages that follow along stay open on purpose.",
            COUNT,
            Query(
                q.total("http_server_active_requests", "http_request_method", scope=q.GATEWAY),
                "{{http_request_method}}",
            ),
        ),
        graph(
            "Event-loop lag",
            "How late the gateway's event loop runs a timer: everything that it does waits this long. The"
            f" alert line is {LOOP_LAG_S} s.",
            SECONDS,
            *(Query(q.quantile(p, LAG, scope=q.GATEWAY), f"p{p * 100:g}") for p in (0.5, 0.99)),
            limits={LOOP_LAG_S: BAD},
        ),
    ],
)

PROCESS = Section(
    "Process",
    [
        graph(
            "CPU",
            "CPU cores that the gateway process uses, by mode; engines are processes of their own.",
            COUNT,
            Query(_gateway("process_cpu_time_seconds_total", "cpu_mode"), "{{cpu_mode}}"),
            stacked=True,
            width=8,
        ),
        graph(
            "Memory",
            "Resident memory of the gateway process.",
            BYTES,
            Query(q.total("process_memory_usage_bytes", "instance", scope=q.GATEWAY), "{{instance}}"),
            width=8,
        ),
        graph(
            "Figures that could not be read",
            "Readings of the gateway's own figures per second that failed or took too long, by source."
            " Requests and scrapes go on without them.",
            "cps",
            Query(_gateway("firsttoken_telemetry_source_failures_total", "source"), "{{source}}"),
            width=8,
        ),
        graph(
            "File descriptors",
            "Files, pipes and connections that the gateway process has open. A line that only rises is a"
            " leak.",
            COUNT,
            Query(
                q.total("firsttoken_process_file_descriptors", "instance", scope=q.GATEWAY), "{{instance}}"
            ),
            width=8,
        ),
    ],
)

STORE = Section(
    "Store",
    [
        graph(
            "Events waiting",
            "Events that wait to be written. A line that stays up means that the database is slower than the"
            " traffic.",
            COUNT,
            Query(q.total("firsttoken_store_queue_size", "instance", scope=q.GATEWAY), "{{instance}}"),
        ),
        graph(
            "Events lost",
            "Events per second that the store lost, its queue full or its database failing. Requests are"
            " answered all the same.",
            "cps",
            Query(_gateway("firsttoken_store_dropped_total", "instance"), "{{instance}}"),
        ),
        graph(
            "Transactions",
            "Duration of the store writer's transactions.",
            SECONDS,
            *(Query(q.quantile(p, FLUSH, scope=q.GATEWAY), f"p{p * 100:g}") for p in (0.5, 0.95, 0.99)),
        ),
        graph(
            "Database size",
            "Size of the SQLite file and its write-ahead log, and store.max_bytes, where the oldest requests"
            " begin to go; other databases report none.",
            BYTES,
            Query(q.total("firsttoken_store_file_size_bytes", "instance", scope=q.GATEWAY), "{{instance}}"),
            Query(
                q.total("firsttoken_store_file_limit_bytes", "instance", scope=q.GATEWAY),
                "{{instance}} limit",
            ),
        ),
        graph(
            "Room on the disk",
            "Used and free bytes of the file system that the home folder is on: database, prefix cache, logs"
            " and models.",
            BYTES,
            Query(
                q.total(
                    "system_filesystem_usage_bytes", "instance, system_filesystem_state", scope=q.GATEWAY
                ),
                "{{instance}} {{system_filesystem_state}}",
            ),
        ),
        graph(
            "Requests forgotten",
            "Requests per second that the store deleted, because they are older than store.retention_days or"
            " the file is larger than store.max_bytes.",
            "cps",
            Query(_gateway("firsttoken_store_pruned_total", "instance"), "{{instance}}"),
        ),
    ],
)

OTLP = Section(
    "OTLP (there is nothing here while no collector is configured)",
    [
        graph(
            "Exported",
            "Spans, log records and metric points per second that the collector took.",
            "cps",
            *(Query(q.rate(metric, scope=SENT), name) for name, metric in EXPORTED.items()),
        ),
        graph(
            "Not exported",
            "Per second that the collector did not take. Spans and log records are gone; metric points are"
            " cumulative and sent again.",
            "cps",
            *(
                Query(q.rate(metric, "error_type", scope=LOST), f"{name}: {{{{error_type}}}}")
                for name, metric in EXPORTED.items()
            ),
        ),
        graph(
            "Left the batch queue",
            "Spans and log records per second that left the queue in front of the exporter; error.type"
            " queue_full are the lost ones.",
            "cps",
            *(
                Query(_gateway(metric, "error_type"), f"{name} {{{{error_type}}}}")
                for name, metric in PROCESSED.items()
            ),
        ),
        graph(
            "Lost to a full queue",
            "Share of spans and log records that were lost because the queue in front of the exporter was"
            " full.",
            SHARE,
            *(
                Query(f"{q.rate(metric, scope=LOST)} / {_gateway(metric)}", name)
                for name, metric in PROCESSED.items()
            ),
            maximum=1,
        ),
    ],
)

HEALTH = Board(
    uid="firsttoken-health",
    title="firsttoken: Gateway & telemetry health",
    description="Is the gateway itself well, and can its figures be trusted?",
    sections=[PRESENCE, HTTP_SECTION, PROCESS, STORE, OTLP],
)
