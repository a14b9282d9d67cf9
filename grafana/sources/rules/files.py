"""Writes the rules: a Prometheus rule file, Grafana's alert provisioning, and the objects that the
Prometheus operator reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from grafana.sources.objectives import RUNBOOK, SERVICE
from grafana.sources.rules.alert import VALUE, Alert
from grafana.sources.rules.burn import BURN_ALERTS
from grafana.sources.rules.presence import ABSENT, PRESENCE
from grafana.sources.rules.recording import GROUP, RECORDS
from grafana.sources.rules.state import STATE

GROUPS = {
    "firsttoken-objectives": BURN_ALERTS,
    "firsttoken-state": STATE,
    "firsttoken-presence": PRESENCE,
    "firsttoken-absent": ABSENT,
}
ALERTS: tuple[Alert, ...] = tuple(alert for alerts in GROUPS.values() for alert in alerts)
INTERVAL = "1m"
DATA_SOURCE_UID = "prometheus"
"""Of grafana/otel-lgtm; in another Grafana, replace it in the built file."""

PROMETHEUS_VALUE, GRAFANA_VALUE = ".Value", ".Values.A.Value"
"""The figure: to Grafana `.Value` is the text of the whole evaluation, `[ var='A' labels={…} value=… ]`."""

Ids = Mapping[tuple[str, str], int]
"""(uid of a dashboard, title of a panel) → the panel's id."""


def prometheus_rules(ids: Ids) -> dict[str, Any]:
    """For `rule_files` of a Prometheus: the alerts. They need no recording rule."""
    return {
        "groups": [
            {"name": name, "interval": INTERVAL, "rules": [_prometheus_rule(alert, ids) for alert in alerts]}
            for name, alerts in GROUPS.items()
        ]
    }


def recording_rules() -> dict[str, Any]:
    """For `rule_files` of the Prometheus that the dashboards read, whichever of the two evaluates the
    alerts.
    """
    return {
        "groups": [
            {
                "name": GROUP,
                "interval": INTERVAL,
                "rules": [{"record": r.name, "expr": r.expr} for r in RECORDS],
            }
        ]
    }


def kubernetes_rules(ids: Ids) -> dict[str, Any]:
    """All rules as a `PrometheusRule` of the Prometheus operator."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "firsttoken", "labels": {"app.kubernetes.io/name": "firsttoken"}},
        "spec": {"groups": recording_rules()["groups"] + prometheus_rules(ids)["groups"]},
    }


def _prometheus_rule(alert: Alert, ids: Ids) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.hold,
        "labels": _labels(alert),
        "annotations": _annotations(alert, ids, PROMETHEUS_VALUE),
    }


def grafana_rules(ids: Ids) -> dict[str, Any]:
    """For the folder `provisioning/alerting` of a Grafana."""
    groups = [
        {
            "orgId": 1,
            "name": name,
            "folder": "firsttoken",
            "interval": INTERVAL,
            "rules": [_grafana_rule(alert, ids) for alert in alerts],
        }
        for name, alerts in GROUPS.items()
    ]
    return {"apiVersion": 1, "groups": groups}


def _grafana_rule(alert: Alert, ids: Ids) -> dict[str, Any]:
    """The query A is the value, the condition C the threshold: a value of 0 is a value like any other."""
    query = {
        "refId": "A",
        "expr": alert.value,
        "instant": True,
        "range": False,
        "intervalMs": 10_000,
        "maxDataPoints": 43_200,
    }
    evaluator = {"type": alert.fires, "params": [float(f"{alert.limit:.6g}")]}
    condition = {
        "refId": "C",
        "type": "threshold",
        "expression": "A",
        "conditions": [{"evaluator": evaluator}],
    }
    return {
        "uid": re.sub(r"(?<!^)(?=[A-Z])", "-", alert.name).lower(),
        "title": alert.name,
        "condition": "C",
        "data": [
            {
                "refId": "A",
                "relativeTimeRange": {"from": 600, "to": 0},
                "datasourceUid": DATA_SOURCE_UID,
                "model": query,
            },
            {
                "refId": "C",
                "relativeTimeRange": {"from": 0, "to": 0},
                "datasourceUid": "__expr__",
                "model": condition,
            },
        ],
        "dashboardUid": alert.board,
        "panelId": ids[alert.board, alert.panel],
        "noDataState": "OK",
        "execErrState": "Error",
        "for": alert.hold,
        "labels": _labels(alert),
        "annotations": _annotations(alert, ids, GRAFANA_VALUE),
    }


def _labels(alert: Alert) -> dict[str, str]:
    """What notifications are routed by."""
    return {"severity": alert.severity, "service": SERVICE} | ({"slo": alert.slo} if alert.slo else {})


def _annotations(alert: Alert, ids: Ids, value: str) -> dict[str, str]:
    return {
        "summary": alert.summary.replace(VALUE, value),
        "description": alert.description.replace(VALUE, value),
        "dashboard": f"/d/{alert.board}?viewPanel={ids[alert.board, alert.panel]}",
        "runbook_url": f"{RUNBOOK}#{alert.name.lower()}",
    }
