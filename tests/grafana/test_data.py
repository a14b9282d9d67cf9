"""Every query of every panel returns data from a Prometheus that scraped a real gateway."""

from __future__ import annotations

import math
from typing import Any

import httpx
import pytest

from grafana.sources.rules import families
from telemetry.metrics.catalog import BY_NAME
from tests.e2e.prometheus import query
from tests.e2e.serving import until
from tests.grafana.awaiting import AWAITED
from tests.grafana.bundle import RECORDED, SERIES, Expression, family_of, panel_expressions, selectors
from tests.grafana.conftest import Observed


def _awaited(expression: Expression) -> bool:
    return any(_has_awaited(found.metric) for found in selectors(expression.filled))


def _has_awaited(metric: str) -> bool:
    inside = {found.metric for found in selectors(RECORDED[metric])} if metric in RECORDED else {metric}
    return any(family_of(name) in AWAITED for name in inside)


NOT_OF_A_CHAT_MODEL = {
    "gen_ai_client_embeddings_duration_seconds",
    "gen_ai_client_embeddings_operation_input_tokens",
}
"""This run serves one model for chat; their names are checked like all others."""
CLASSIC = [
    e
    for e in panel_expressions()
    if not e.native and not {family_of(found.metric) for found in selectors(e.filled)} & NOT_OF_A_CHAT_MODEL
]
SHOWN = [e for e in CLASSIC if not _awaited(e)]
WITH_EXEMPLARS = [e for e in CLASSIC if e.exemplars]


def figures(url: str, expression: Expression) -> list[float]:
    """The values that an expression has now; NaN is no figure."""
    return [value for row in query(url, expression.filled) if not math.isnan(value := float(row["value"][1]))]


@pytest.mark.parametrize("expression", SHOWN, ids=[e.where for e in SHOWN])
def test_panel_has_data(scraped: str, expression: Expression) -> None:
    """The query gives at least one figure."""
    assert until(lambda: figures(scraped, expression), 10, expression.filled)


@pytest.mark.parametrize("expression", WITH_EXEMPLARS, ids=[e.where for e in WITH_EXEMPLARS])
def test_exemplars_lead_to_traces(scraped: str, expression: Expression) -> None:
    """Where a panel asks for exemplars, Prometheus has some, each with a trace id."""
    given = {"query": expression.filled, "start": "0", "end": "9999999999"}
    found = httpx.get(f"{scraped}/api/v1/query_exemplars", params=given).json()["data"]
    assert found
    assert all(
        len(exemplar["labels"]["trace_id"]) == 32 for series in found for exemplar in series["exemplars"]
    )


@pytest.mark.parametrize(
    ("name", "promql"),
    [
        ("refused", 'sum(firsttoken_requests_rejected_total{reason="queue_full"}) > 0'),
        (
            "the client's mistakes",
            'sum(gen_ai_server_request_duration_seconds_count{error_type="model_not_found"}) > 0',
        ),
        (
            "departures",
            'sum(gen_ai_server_request_duration_seconds_count{error_type="client_disconnect"}) > 0',
        ),
        (
            "a crash of the engine",
            'sum(gen_ai_server_request_duration_seconds_count{error_type=~"engine_.*"}) > 0',
        ),
        ("a restart of the engine", "sum(increase(firsttoken_model_loads_total[5m])) > 0"),
        ("drafts", 'sum(firsttoken_engine_tokens_total{phase="draft"}) > 0'),
        (
            "two context sizes",
            "count(count by (context_bucket) (firsttoken_ttft_by_context_seconds_count)) > 1",
        ),
    ],
)
def test_the_run_had(scraped: str, name: str, promql: str) -> None:
    """The panels showed what they are for, not only zeros."""
    assert until(lambda: query(scraped, promql), 10, name)


@pytest.mark.parametrize("group", families.GROUPS, ids=[group.alert for group in families.GROUPS])
def test_nothing_is_absent_from_a_real_run(scraped: str, group: families.Group) -> None:
    """With real traffic the evidence of every group holds, and no family that it watches is missing."""
    there = {row["metric"]["family"] for row in query(scraped, group.value)}
    assert {family for family in there if family_of(family) not in AWAITED} == set()
    awaited = any(family_of(found.metric) in AWAITED for found in selectors(group.evidence))
    assert awaited or until(lambda: query(scraped, group.evidence), 10, group.evidence)


def test_both_paths_carry_the_same(observed: Observed) -> None:
    """What came over OTLP has the names, units and labels of the instruments, and every family scraped came
    over OTLP too: translated, they are the same series, so the dashboards work with either.
    """
    scraped = {
        SERIES[row["metric"]["__name__"]]
        for row in query(observed.url, 'count by (__name__) ({job="firsttoken"})')
        if is_ours(row)
    }
    received = {metric.name: metric for metric in list(observed.receiver.metrics)}
    assert {instrument.name for instrument in scraped} == set(received)
    for name, metric in received.items():
        points = getattr(metric, metric.WhichOneof("data")).data_points
        assert metric.unit == BY_NAME[name].unit
        assert {pair.key for point in points for pair in point.attributes} <= set(BY_NAME[name].labels)


def is_ours(row: dict[str, Any]) -> bool:
    """Whether a series is not Prometheus' own word about the scrape (`up`, `scrape_duration_seconds`, …)."""
    name = row["metric"]["__name__"]
    return name != "up" and name not in RECORDED and not name.startswith("scrape_")
