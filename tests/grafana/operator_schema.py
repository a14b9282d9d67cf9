"""The Prometheus operator's objects as far as ours use them, after its CRDs (monitoring.coreos.com/v1): an
unknown field is an error.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Duration = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$"
    ),
]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
Filled = Annotated[str, msgspec.Meta(min_length=1)]
Version = Literal["monitoring.coreos.com/v1"]


class Exact(msgspec.Struct, forbid_unknown_fields=True):
    """Like the API server with strict field validation."""


class Metadata(Exact):
    """Ours has a name and labels."""

    name: Name
    labels: dict[str, str]


class Selector(Exact):
    """Which Services or pods."""

    matchLabels: dict[str, str]  # noqa: N815


class Endpoint(Exact):
    """What of each is scraped."""

    port: Filled
    path: Filled
    interval: Duration
    scrapeTimeout: Duration  # noqa: N815


class ServiceMonitorSpec(Exact):
    """Of a ServiceMonitor: selector and endpoints are required."""

    selector: Selector
    endpoints: list[Endpoint]
    jobLabel: str = ""  # noqa: N815


class PodMonitorSpec(Exact):
    """Of a PodMonitor."""

    selector: Selector
    podMetricsEndpoints: list[Endpoint]  # noqa: N815
    jobLabel: str = ""  # noqa: N815


class Rule(Exact, rename={"hold": "for"}):
    """An alerting rule or a recording rule."""

    expr: Filled
    alert: str = ""
    record: str = ""
    hold: Duration = "0s"
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class RuleGroup(Exact):
    """Rules that are evaluated one after the other."""

    name: Filled
    rules: list[Rule]
    interval: Duration


class PrometheusRuleSpec(Exact):
    """Of a PrometheusRule."""

    groups: list[RuleGroup]


class ServiceMonitor(Exact):
    """The whole object."""

    apiVersion: Version  # noqa: N815
    kind: Literal["ServiceMonitor"]
    metadata: Metadata
    spec: ServiceMonitorSpec


class PodMonitor(Exact):
    """The whole object."""

    apiVersion: Version  # noqa: N815
    kind: Literal["PodMonitor"]
    metadata: Metadata
    spec: PodMonitorSpec


class PrometheusRule(Exact):
    """The whole object."""

    apiVersion: Version  # noqa: N815
    kind: Literal["PrometheusRule"]
    metadata: Metadata
    spec: PrometheusRuleSpec
