"""The built dashboards and rules as people load them: panels, their queries, and what PromQL names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser
import yaml

from grafana.sources.panels import NATIVE
from telemetry.metrics.catalog import ALL
from telemetry.metrics.instrument import Instrument, Kind, label_name
from tests.contracts.sources import ROOT

FOLDER = ROOT / "grafana"

VARIABLES = {
    "$job": ".+",
    "$instance": ".+",
    "$model": ".*",
    "$context_bucket": ".*",
    "$__rate_interval": "5m",
    "$__range": "10m",
}
"""What Grafana puts in the place of its variables: everything, and windows that hold a test's traffic."""

OF_ANY_SERIES = {"job", "instance", "le"}
"""Labels that the scrape, the translation or a histogram adds."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One PromQL query and where it stands."""

    where: str
    panel: str
    text: str
    exemplars: bool = False
    native: bool = False
    """Of the second query of a heat map, which has data where histograms are native."""

    @property
    def filled(self) -> str:
        """With Grafana's variables filled in."""
        text = self.text
        for variable, value in VARIABLES.items():
            text = text.replace(variable, value)
        return text


def dashboards() -> list[dict[str, Any]]:
    """Every built dashboard."""
    return [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((FOLDER / "dashboards").glob("*.json"))
    ]


def panels() -> list[tuple[str, dict[str, Any]]]:
    """(uid of the dashboard, panel), rows left out."""
    return [
        (board["uid"], panel) for board in dashboards() for panel in board["panels"] if panel["type"] != "row"
    ]


def panel_expressions() -> list[Expression]:
    """Every PromQL query of every panel."""
    return [
        Expression(
            f"{uid}: {panel['title']} {target['refId']}",
            panel["title"],
            target["expr"],
            target.get("exemplar", False),
            target["legendFormat"] == NATIVE,
        )
        for uid, panel in panels()
        if panel["datasource"]["type"] == "prometheus"
        for target in panel["targets"]
    ]


def rules(name: str = "prometheus-rules.yaml") -> list[dict[str, Any]]:
    """Every rule of a Prometheus rule file."""
    content = yaml.safe_load((FOLDER / "alerting" / name).read_text(encoding="utf-8"))
    return [rule for group in content["groups"] for rule in group["rules"]]


RECORDING = "prometheus-recording.yaml"


def rule_expressions() -> list[Expression]:
    """The expression of every alert rule and of every recording rule."""
    alerts = [Expression(rule["alert"], rule["alert"], rule["expr"]) for rule in rules()]
    return alerts + [Expression(rule["record"], rule["record"], rule["expr"]) for rule in rules(RECORDING)]


@dataclass(frozen=True, slots=True)
class Selected:
    """A series selector: the metric and the labels that it filters by."""

    metric: str
    labels: frozenset[str]


def selectors(text: str) -> list[Selected]:
    """Every selector of an expression.

    Raises:
        ValueError: it does not parse.
    """
    found: list[Selected] = []

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.MatrixSelector):
            node = node.vector_selector
        if isinstance(node, promql_parser.VectorSelector):
            found.append(
                Selected(str(node.name), frozenset(matcher.name for matcher in node.matchers.matchers))
            )

    promql_parser.walk(promql_parser.parse(text), visit)
    return found


def groupings(text: str) -> set[str]:
    """Every label that an aggregation or a match names."""
    found: set[str] = set()

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            found.update(node.modifier.labels)
        if isinstance(node, promql_parser.BinaryExpr) and node.modifier and node.modifier.matching:
            found.update(node.modifier.matching.labels)

    promql_parser.walk(promql_parser.parse(text), visit)
    return found


def _series(instrument: Instrument) -> Iterator[str]:
    """Names that an instrument has on `/metrics`."""
    name = instrument.prometheus_name
    yield name
    if instrument.kind is Kind.HISTOGRAM:
        yield from (f"{name}{part}" for part in PARTS)


PARTS = ("_bucket", "_sum", "_count")
"""Of a classic histogram; a native one has the name alone."""
SERIES: dict[str, Instrument] = {name: instrument for instrument in ALL for name in _series(instrument)}
"""Name on `/metrics` → its instrument."""
RECORDED = {rule["record"]: rule["expr"] for rule in rules(RECORDING)}
"""Recorded series → what they are."""
MADE_BY_PROMETHEUS: dict[str, set[str]] = {"up": {"job", "instance"}} | {
    name: {"job", "instance", "gen_ai_request_model"} for name in RECORDED
}
"""Series that no instrument stands for → their labels."""


def family_of(metric: str) -> str:
    """The name without a histogram's suffix."""
    return next((metric.removesuffix(part) for part in PARTS if metric.endswith(part)), metric)


def labels_of(metric: str) -> set[str]:
    """Labels that a series of this name may have."""
    if metric in MADE_BY_PROMETHEUS:
        return MADE_BY_PROMETHEUS[metric]
    return {label_name(label) for label in SERIES[metric].labels} | OF_ANY_SERIES
