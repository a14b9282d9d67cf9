"""Metrics of the gateway itself: HTTP, objectives, store, process and exporters, each declared once."""

from __future__ import annotations

from telemetry import semconv as names
from telemetry.metrics.buckets import HTTP_BUCKETS, OVERHEAD_BUCKETS, PHASE_BUCKETS
from telemetry.metrics.instrument import Instrument, Kind, counter, gauge, histogram

BUILD_INFO = gauge(names.METRIC_BUILD_INFO, "", "1: the version that runs.", (names.VERSION,))
LOOP_LAG = histogram(
    names.METRIC_LOOP_LAG, "s", "How late the gateway's event loop runs a timer.", (), OVERHEAD_BUCKETS
)
HTTP_DURATION = histogram(
    names.METRIC_HTTP_DURATION,
    "s",
    "Duration of HTTP server requests.",
    (
        names.HTTP_REQUEST_METHOD,
        names.HTTP_ROUTE,
        names.HTTP_RESPONSE_STATUS_CODE,
        names.URL_SCHEME,
        names.ERROR_TYPE,
    ),
    HTTP_BUCKETS,
)
HTTP_ACTIVE = Instrument(
    names.METRIC_HTTP_ACTIVE,
    Kind.UP_DOWN,
    "{request}",
    "HTTP server requests in flight.",
    (names.HTTP_REQUEST_METHOD, names.URL_SCHEME),
)
SLO_BURN_RATE = gauge(
    names.METRIC_SLO_BURN_RATE,
    "{ratio}",
    "How many times faster than allowed an objective's budget is spent.",
    (names.OBJECTIVE, names.WINDOW),
)
SLO_BUDGET_LEFT = gauge(
    names.METRIC_SLO_BUDGET_LEFT,
    "{ratio}",
    "What is left of an objective's budget: 1 is untouched, 0 is spent.",
    (names.OBJECTIVE,),
)
STORE_QUEUE = gauge(names.METRIC_STORE_QUEUE, "{event}", "Events waiting to be written to the store.")
STORE_DROPPED = counter(
    names.METRIC_STORE_DROPPED, "{event}", "Events that the store lost: queue full or database failing."
)
STORE_PRUNED = counter(
    names.METRIC_STORE_PRUNED, "{request}", "Requests that the store forgot, by age or for its size."
)
STORE_FLUSH = histogram(
    names.METRIC_STORE_FLUSH, "s", "Time of one transaction of the store's writer.", (), PHASE_BUCKETS
)
STORE_FILE_SIZE = gauge(
    names.METRIC_STORE_FILE_SIZE, "By", "Size of the store's file and its write-ahead log (SQLite only)."
)
STORE_FILE_LIMIT = gauge(
    names.METRIC_STORE_FILE_LIMIT,
    "By",
    "Size at which the store begins to forget requests (SQLite with store.max_bytes only).",
)
SOURCE_FAILURES = counter(
    names.METRIC_SOURCE_FAILURES,
    "{failure}",
    "Readings of the gateway's own figures that failed, or took too long.",
    (names.SOURCE,),
)
FILESYSTEM_USAGE = Instrument(
    names.METRIC_FILESYSTEM_USAGE,
    Kind.UP_DOWN,
    "By",
    "Used and free bytes of the file system that the home folder is on.",
    (names.FILESYSTEM_STATE,),
)
PROCESS_CPU_TIME = counter(
    names.METRIC_PROCESS_CPU_TIME, "s", "CPU time of the gateway process.", (names.CPU_MODE,)
)
PROCESS_MEMORY = Instrument(
    names.METRIC_PROCESS_MEMORY, Kind.UP_DOWN, "By", "Resident memory of the gateway process."
)
PROCESS_FDS = gauge(
    names.METRIC_PROCESS_FDS, "{file_descriptor}", "File descriptors that the gateway process has open."
)
SDK_EXPORTED_SPANS = counter(
    names.METRIC_SDK_EXPORTED_SPANS,
    "{span}",
    "Spans handed to the collector; error.type says which failed.",
    (names.ERROR_TYPE,),
)
SDK_EXPORTED_LOGS = counter(
    names.METRIC_SDK_EXPORTED_LOGS,
    "{log_record}",
    "Log records handed to the collector; error.type says which failed.",
    (names.ERROR_TYPE,),
)
SDK_EXPORTED_POINTS = counter(
    names.METRIC_SDK_EXPORTED_POINTS,
    "{data_point}",
    "Metric points handed to the collector; error.type says which failed.",
    (names.ERROR_TYPE,),
)
SDK_PROCESSED_SPANS = counter(
    names.METRIC_SDK_PROCESSED_SPANS,
    "{span}",
    "Spans that left the batch queue; error.type queue_full counts the lost ones.",
    (names.ERROR_TYPE,),
)
SDK_PROCESSED_LOGS = counter(
    names.METRIC_SDK_PROCESSED_LOGS,
    "{log_record}",
    "Log records that left the batch queue; error.type queue_full counts the lost ones.",
    (names.ERROR_TYPE,),
)

ALL: tuple[Instrument, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Instrument)
)
"""Every one, in order of declaration."""
