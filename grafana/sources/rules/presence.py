"""Alerts on what is not there: no gateway at all, one of several, a target that cannot be scraped, a
family of metrics.
"""

from __future__ import annotations

from grafana.sources.queries import ALIVE
from grafana.sources.rules import families
from grafana.sources.rules.alert import ABOVE, BELOW, BY_PROCESS, FAMILY, INSTANCE, JOB, Alert

NOW = f"count by (job) ({ALIVE})"
USUAL = f"quantile_over_time(0.5, {NOW}[3h:1m])"
"""How many instances a job had for most of three hours. After a restart over OTLP the old instance is seen
five minutes longer: the median does not move for that, so a restart is no alert.
"""
SILENT = (
    f"count by ({BY_PROCESS}) (last_over_time({ALIVE}[3h])) unless on ({BY_PROCESS}) {ALIVE} unless on"
    f" ({BY_PROCESS}) up"
)
STALE = "5 minutes: Prometheus answers with the last sample that long"

PRESENCE = (
    Alert(
        "FirsttokenSilent",
        f"absent({ALIVE})",
        ABOVE,
        0,
        "5m",
        "critical",
        "No gateway sends metrics",
        "Every gateway is down or cannot be scraped, or none reaches the collector. Every other alert is"
        " quiet meanwhile.",
        "firsttoken-health",
        "Instances",
        delay=STALE,
    ),
    Alert(
        "FirsttokenInstanceSilent",
        f"({SILENT}) unless on (job) ({NOW} >= {USUAL})",
        ABOVE,
        0,
        "3m",
        "warning",
        f"The gateway {INSTANCE} of {JOB} sends nothing any more",
        f"{JOB} has fewer gateways than it had for most of the last three hours. This ends by itself within"
        " two hours, also where nothing was done.",
        "firsttoken-health",
        "Instances",
        delay=f"{STALE} (over OTLP, or where the target is gone)",
    ),
    Alert(
        "FirsttokenTargetDown",
        f"min by ({BY_PROCESS}) (up and on (job) count by (job) (last_over_time({ALIVE}[1d])))",
        BELOW,
        1,
        "3m",
        "critical",
        f"The gateway {INSTANCE} of {JOB} cannot be scraped",
        "The process is gone, hangs, or the network is cut. Its figures are missing from every sum"
        " meanwhile.",
        "firsttoken-health",
        "Instances",
        delay="one scrape",
    ),
)

ABSENT = tuple(
    Alert(
        group.alert,
        group.value,
        ABOVE,
        0,
        "10m",
        group.severity,
        f"{group.summary} {FAMILY} ({INSTANCE})",
        "A metric that was renamed or is not exported any more goes silent, not to zero; dashboards and"
        " alerts on it say nothing.",
        "firsttoken-health",
        "Instances",
        delay=STALE,
    )
    for group in families.GROUPS
)
