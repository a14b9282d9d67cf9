"""Writes the alert rules in the two forms: a Prometheus rule file, and Grafana's alert provisioning."""

from __future__ import annotations

import re
from typing import Any

from grafana.sources.alerts import ABSENT, OBJECTIVES, STATE, Alert

GROUPS = {"firsttoken-objectives": OBJECTIVES, "firsttoken-state": STATE, "firsttoken-absent": ABSENT}
INTERVAL = "1m"
DATA_SOURCE_UID = "prometheus"
"""Of grafana/otel-lgtm; in another Grafana, replace it in the built file."""


def prometheus_rules() -> dict[str, Any]:
    """For `rule_files` of a Prometheus."""
    return {
        "groups": [
            {"name": name, "interval": INTERVAL, "rules": [_prometheus_rule(alert) for alert in alerts]} for name, alerts in GROUPS.items()
        ]
    }


def _prometheus_rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.hold,
        "labels": {"severity": alert.severity},
        "annotations": _annotations(alert),
    }


def grafana_rules() -> dict[str, Any]:
    """For the folder `provisioning/alerting` of a Grafana."""
    groups = [
        {
            "orgId": 1,
            "name": name,
            "folder": "firsttoken",
            "interval": INTERVAL,
            "rules": [_grafana_rule(alert) for alert in alerts],
        }
        for name, alerts in GROUPS.items()
    ]
    return {"apiVersion": 1, "groups": groups}


def _grafana_rule(alert: Alert) -> dict[str, Any]:
    """The query A is the whole expression; C holds where it gives anything at all (every value of ours is above 0)."""
    query = {"refId": "A", "expr": alert.expr, "instant": True, "range": False, "intervalMs": 10_000, "maxDataPoints": 43_200}
    above = {"refId": "C", "type": "threshold", "expression": "A", "conditions": [{"evaluator": {"type": "gt", "params": [0]}}]}
    return {
        "uid": re.sub(r"(?<!^)(?=[A-Z])", "-", alert.name).lower(),
        "title": alert.name,
        "condition": "C",
        "data": [
            {"refId": "A", "relativeTimeRange": {"from": 600, "to": 0}, "datasourceUid": DATA_SOURCE_UID, "model": query},
            {"refId": "C", "relativeTimeRange": {"from": 0, "to": 0}, "datasourceUid": "__expr__", "model": above},
        ],
        "noDataState": "OK",
        "execErrState": "Error",
        "for": alert.hold,
        "labels": {"severity": alert.severity},
        "annotations": _annotations(alert),
    }


def _annotations(alert: Alert) -> dict[str, str]:
    return {"summary": alert.summary, "description": alert.description, "dashboard": f"/d/{alert.dashboard}"}
