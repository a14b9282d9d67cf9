"""The objects for the Prometheus operator have its form, and say what the other files say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import yaml

from tests.grafana.bundle import FOLDER
from tests.grafana.operator_schema import PodMonitor, PrometheusRule, ServiceMonitor
from tests.grafana.rule_forms import load


def _object(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((FOLDER / "kubernetes" / name).read_text(encoding="utf-8"))
    return content


def test_service_monitor() -> None:
    """It scrapes /metrics of whatever carries the label, under a job name of ours, and gives up before the
    next scrape.
    """
    found = msgspec.convert(_object("servicemonitor.yaml"), ServiceMonitor)
    (endpoint,) = found.spec.endpoints
    assert (endpoint.path, endpoint.interval, found.spec.jobLabel) == (
        "/metrics",
        "10s",
        "app.kubernetes.io/name",
    )
    assert found.spec.selector.matchLabels == {"app.kubernetes.io/name": "firsttoken"}


def test_pod_monitor() -> None:
    """The same, by pod."""
    pods, services = (
        msgspec.convert(_object("podmonitor.yaml"), PodMonitor),
        msgspec.convert(_object("servicemonitor.yaml"), ServiceMonitor),
    )
    assert pods.spec.podMetricsEndpoints == services.spec.endpoints
    assert (pods.spec.selector, pods.spec.jobLabel) == (services.spec.selector, services.spec.jobLabel)


def test_prometheus_rule() -> None:
    """It holds every recording rule and every alert, each rule being one of the two, and nothing else."""
    content = _object("prometheusrule.yaml")
    found = msgspec.convert(content, PrometheusRule)
    assert (
        content["spec"]["groups"]
        == load("prometheus-recording.yaml")["groups"] + load("prometheus-rules.yaml")["groups"]
    )
    assert all(
        bool(rule.alert) is not bool(rule.record) for group in found.spec.groups for rule in group.rules
    )


@pytest.mark.parametrize(
    ("path", "wrong"), [(("spec", "endpoints", 0, "interval"), "ten seconds"), (("spec", "endpoint"), [])]
)
def test_the_form_is_checked(path: tuple[Any, ...], wrong: object) -> None:
    """A wrong duration and a misspelt field are seen."""
    content = _object("servicemonitor.yaml")
    *way, last = path
    at: Any = content
    for step in way:
        at = at[step]
    at[last] = wrong
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(content, ServiceMonitor)
