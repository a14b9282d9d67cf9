"""The alert rules, said once; `alert_files` writes them for Prometheus and for Grafana.

Expressions hold no `$`, and texts use `.Labels` and `.Value`: both programs understand that, and Grafana would take
`$` for a variable of its environment.
"""

from __future__ import annotations

from dataclasses import dataclass

from grafana.sources import families
from grafana.sources import queries as q
from grafana.sources.objectives import (
    AVAILABILITY,
    FAST,
    FREE_DISK_SHARE,
    KV_SHARE,
    LOOP_LAG_S,
    QUEUE_AGE_S,
    SLOW,
    STORE_SHARE,
    TTFT_S,
    TTFT_SHARE,
    Burn,
)

BY_MODEL = "job, gen_ai_request_model"
MODEL = "{{ .Labels.gen_ai_request_model }}"
JOB = "{{ .Labels.job }}"
PERCENT = "{{ .Value | humanizePercentage }}"


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule. `hold` is how long the expression must hold; `dashboard` is where to look."""

    name: str
    expr: str
    hold: str
    severity: str
    summary: str
    description: str
    dashboard: str


def _availability(burn: Burn) -> Alert:
    shares = (q.failed_share(window, BY_MODEL, scope="") for window in (burn.long_window, burn.short_window))
    limit = f"{burn.factor * (1 - AVAILABILITY):.4g}"
    return Alert(
        f"FirsttokenAvailability{burn.name}Burn",
        " and ".join(f"({share}) > {limit}" for share in shares),
        "2m",
        burn.severity,
        f"{MODEL} fails {PERCENT} of its requests",
        f"Over {burn.long_window}, and still over {burn.short_window}, {JOB} spends its error budget more than {burn.factor:g} times too fast "
        f"(objective {AVAILABILITY:.2%}).",
        "firsttoken-overview",
    )


def _ttft(burn: Burn) -> Alert:
    shares = (q.late_share(window, BY_MODEL, scope="") for window in (burn.long_window, burn.short_window))
    limit = f"{burn.factor * (1 - TTFT_SHARE):.4g}"
    return Alert(
        f"FirsttokenTtft{burn.name}Burn",
        " and ".join(f"({share}) > {limit}" for share in shares),
        "2m",
        burn.severity,
        f"{PERCENT} of the first tokens of {MODEL} come after {TTFT_S:g} s",
        f"Over {burn.long_window}, and still over {burn.short_window}, {JOB} spends its latency budget more than {burn.factor:g} times too fast "
        f"(objective {TTFT_SHARE:.0%} within {TTFT_S:g} s).",
        "firsttoken-latency",
    )


OBJECTIVES = (_availability(FAST), _availability(SLOW), _ttft(FAST), _ttft(SLOW))

STATE = (
    Alert(
        "FirsttokenQueueAge",
        f"max by ({BY_MODEL}) (firsttoken_queue_oldest_age_seconds) > {QUEUE_AGE_S}",
        "1m",
        "warning",
        f"A request for {MODEL} has waited {{{{ .Value | humanizeDuration }}}} for a slot",
        f"The slots of {JOB} are too few for the traffic, or an engine is stuck.",
        "firsttoken-engine",
    ),
    Alert(
        "FirsttokenKvNearlyFull",
        f"sum by ({BY_MODEL}) (firsttoken_kv_cache_usage) / sum by ({BY_MODEL}) (firsttoken_kv_cache_limit) > {KV_SHARE}",
        "5m",
        "warning",
        f"{PERCENT} of the KV cells of {MODEL} are in use",
        "Requests will wait for KV or end early. Fewer slots, a shorter context, or a quantised KV give room.",
        "firsttoken-engine",
    ),
    Alert(
        "FirsttokenEventLoopLag",
        f"histogram_quantile(0.99, sum by (job, instance, le) (rate(firsttoken_event_loop_lag_seconds_bucket[5m]))) > {LOOP_LAG_S}",
        "5m",
        "warning",
        f"The event loop of {JOB} runs {{{{ .Value | humanizeDuration }}}} late",
        "Every request of this gateway process waits this long. Something blocks the loop, or the machine has too little CPU.",
        "firsttoken-health",
    ),
    Alert(
        "FirsttokenEngineRestarted",
        f'sum by ({BY_MODEL}) (increase(firsttoken_model_loads_total{{state="ready"}}[15m])) > 0',
        "0s",
        "warning",
        f"The engine of {MODEL} was started again",
        f"{{{{ .Value | humanize }}}} times in 15 minutes. The log of {JOB} says why it ended.",
        "firsttoken-engine",
    ),
    Alert(
        "FirsttokenEngineGivenUp",
        f'sum by ({BY_MODEL}) (firsttoken_model_loads_total{{state="failed"}}) > 0',
        "0s",
        "critical",
        f"The engine of {MODEL} was given up",
        f"It failed too often in a row or cannot load; its requests get 503. /readyz of {JOB} says why.",
        "firsttoken-engine",
    ),
    Alert(
        "FirsttokenSlower",
        f'sum by ({BY_MODEL}) (increase(firsttoken_speed_changes_total{{direction="slower"}}[1h])) > 0',
        "0s",
        "warning",
        f"{MODEL} is slower since its engine's configuration changed",
        f"{{{{ .Value | humanize }}}} speeds by context size fell beyond noise. The Models page of {JOB} says which, by how much and what changed.",
        "firsttoken-models",
    ),
    Alert(
        "FirsttokenStoreDrops",
        "sum by (job, instance) (increase(firsttoken_store_dropped_total[10m])) > 0",
        "0s",
        "warning",
        f"The store of {JOB} lost {{{{ .Value | humanize }}}} events",
        "Its queue is full or its database fails: rows and statistics have holes. Requests are answered all the same.",
        "firsttoken-health",
    ),
    Alert(
        "FirsttokenStoreNearCap",
        f"sum by (job, instance) (firsttoken_store_file_size_bytes) / sum by (job, instance) (firsttoken_store_file_limit_bytes) > {STORE_SHARE}",
        "5m",
        "warning",
        f"The database of {JOB} has {PERCENT} of the size it may have",
        "The oldest requests go before store.retention_days are over, then the oldest statistics. store.max_bytes gives more room.",
        "firsttoken-health",
    ),
    Alert(
        "FirsttokenDiskNearlyFull",
        'sum by (job, instance) (system_filesystem_usage_bytes{system_filesystem_state="free"})'
        f" / sum by (job, instance) (system_filesystem_usage_bytes) < {FREE_DISK_SHARE}",
        "5m",
        "critical",
        f"The disk of {JOB} has {PERCENT} of its room left",
        "When it is full the database and the prefix cache lose what they are to keep. Requests are answered all the same.",
        "firsttoken-health",
    ),
)

ABSENT = tuple(
    Alert(
        group.alert,
        group.expr,
        "10m",
        group.severity,
        group.summary,
        "A metric that was renamed or is not exported any more goes silent, not to zero; dashboards and alerts on it say nothing.",
        "firsttoken-health",
    )
    for group in families.GROUPS
)

ALERTS: tuple[Alert, ...] = (*OBJECTIVES, *STATE, *ABSENT)
