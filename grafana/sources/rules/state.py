"""Alerts on what the engines, the gateway and its store are in now."""

from __future__ import annotations

from grafana.sources import queries as q
from grafana.sources.objectives import FREE_DISK_SHARE, KV_SHARE, LOOP_LAG_S, QUEUE_AGE_S, STORE_SHARE
from grafana.sources.rules.alert import (
    ABOVE,
    BELOW,
    BY_MODEL,
    BY_PROCESS,
    DURATION,
    INSTANCE,
    JOB,
    MODEL,
    NUMBER,
    PERCENT,
    Alert,
)

LOADED = 'firsttoken_model_loads_total{state="ready"}'
DISK = "system_filesystem_usage_bytes"

STATE = (
    Alert(
        "FirsttokenQueueAge",
        f"max by ({BY_MODEL}) (firsttoken_queue_oldest_age_seconds)",
        ABOVE,
        QUEUE_AGE_S,
        "1m",
        "warning",
        f"A request for {MODEL} has waited {DURATION} for a slot",
        f"The slots of {JOB} are too few for the traffic, or an engine is stuck.",
        "firsttoken-engine",
        "Oldest waiting request",
    ),
    Alert(
        "FirsttokenKvNearlyFull",
        f"sum by ({BY_MODEL}) (firsttoken_kv_cache_usage) / (sum by ({BY_MODEL}) (firsttoken_kv_cache_limit)"
        " > 0)",
        ABOVE,
        KV_SHARE,
        "5m",
        "warning",
        f"{PERCENT} of the KV cells of {MODEL} are in use",
        "Requests will wait for KV or end early. Fewer slots, a shorter context, or a quantised KV give"
        " room.",
        "firsttoken-engine",
        "KV in use",
    ),
    Alert(
        "FirsttokenEventLoopLag",
        f"{q.quantile(0.99, 'firsttoken_event_loop_lag_seconds', BY_PROCESS, scope='', window='5m')} >= 0",
        ABOVE,
        LOOP_LAG_S,
        "5m",
        "warning",
        f"The event loop of {JOB} runs {DURATION} late",
        f"Every request of the gateway process {INSTANCE} waits this long. Something blocks the loop, or the"
        " machine has too little CPU.",
        "firsttoken-health",
        "Event-loop lag",
        delay="until the late timers are more than 1 % of those of 5 minutes",
    ),
    Alert(
        "FirsttokenEngineRestarted",
        f"sum by ({BY_MODEL}) (increase({LOADED}[15m]) and {LOADED} > 1)",
        ABOVE,
        0,
        "0s",
        "warning",
        f"The engine of {MODEL} was started again",
        f"{NUMBER} times in 15 minutes. The log of {JOB} says why it ended.",
        "firsttoken-engine",
        "Loads and restarts",
        delay="the time that the engine takes to load",
    ),
    Alert(
        "FirsttokenEngineGivenUp",
        f'sum by ({BY_MODEL}) (firsttoken_engine_state{{state="failed"}})',
        ABOVE,
        0,
        "0s",
        "critical",
        f"The engine of {MODEL} was given up",
        f"It failed too often in a row or cannot load; its requests get 503. /readyz of {JOB} says why.",
        "firsttoken-engine",
        "Engines by state",
    ),
    Alert(
        "FirsttokenSlower",
        f'sum by ({BY_MODEL}) (increase(firsttoken_speed_changes_total{{direction="slower"}}[1h]))',
        ABOVE,
        0,
        "0s",
        "warning",
        f"{MODEL} is slower since its engine's configuration changed",
        f"{NUMBER} speeds by context size fell beyond noise. The Models page of {JOB} says which, by how much"
        " and what changed.",
        "firsttoken-models",
        "Changes of speed",
        delay="until there are enough requests to tell a change from noise",
    ),
    Alert(
        "FirsttokenStoreDrops",
        f"sum by ({BY_PROCESS}) (increase(firsttoken_store_dropped_total[10m]))",
        ABOVE,
        0,
        "0s",
        "warning",
        f"The store of {JOB} lost {NUMBER} events",
        f"The queue of {INSTANCE} is full or its database fails: rows and statistics have holes. Requests are"
        " answered all the same.",
        "firsttoken-health",
        "Events lost",
    ),
    Alert(
        "FirsttokenStoreNearCap",
        f"sum by ({BY_PROCESS}) (firsttoken_store_file_size_bytes) / (sum by ({BY_PROCESS})"
        " (firsttoken_store_file_limit_bytes) > 0)",
        ABOVE,
        STORE_SHARE,
        "5m",
        "warning",
        f"The database of {JOB} has {PERCENT} of the size it may have",
        "The oldest requests go before store.retention_days are over, then the oldest statistics."
        " store.max_bytes gives more room.",
        "firsttoken-health",
        "Database size",
    ),
    Alert(
        "FirsttokenDiskNearlyFull",
        f'sum by ({BY_PROCESS}) ({DISK}{{system_filesystem_state="free"}}) / (sum by ({BY_PROCESS}) ({DISK})'
        " > 0)",
        BELOW,
        FREE_DISK_SHARE,
        "5m",
        "critical",
        f"The disk of {JOB} has {PERCENT} of its room left",
        "When it is full the database and the prefix cache lose what they are to keep. Requests are answered"
        " all the same.",
        "firsttoken-health",
        "Room on the disk",
    ),
)
