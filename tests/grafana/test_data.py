"""Every query of every panel returns data from a Prometheus that scraped a real gateway."""

from __future__ import annotations

import math

import httpx
import pytest

from tests.e2e.serving import until
from tests.e2e.test_prometheus import query
from tests.grafana.awaiting import AWAITING
from tests.grafana.bundle import Expression, panel_expressions

SHOWN = [e for e in panel_expressions() if e.panel not in AWAITING]
AWAITED = [e for e in panel_expressions() if e.panel in AWAITING]
WITH_EXEMPLARS = [e for e in panel_expressions() if e.exemplars]


def figures(url: str, expression: Expression) -> list[float]:
    """The values that an expression has now; NaN is no figure."""
    return [value for row in query(url, expression.filled) if not math.isnan(value := float(row["value"][1]))]


@pytest.mark.parametrize("expression", SHOWN, ids=[e.where for e in SHOWN])
def test_panel_has_data(scraped: str, expression: Expression) -> None:
    """The query gives at least one figure."""
    assert until(lambda: figures(scraped, expression), 10, expression.filled)


@pytest.mark.parametrize("expression", AWAITED, ids=[e.where for e in AWAITED])
def test_awaited_panel_has_none_yet(scraped: str, expression: Expression) -> None:
    """Still nothing records it; once something does, its entry in AWAITING goes."""
    assert not figures(scraped, expression), f"take {expression.panel!r} out of AWAITING"


@pytest.mark.parametrize("expression", WITH_EXEMPLARS, ids=[e.where for e in WITH_EXEMPLARS])
def test_exemplars_lead_to_traces(scraped: str, expression: Expression) -> None:
    """Where a panel asks for exemplars, Prometheus has some, each with a trace id."""
    given = {"query": expression.filled, "start": "0", "end": "9999999999"}
    found = httpx.get(f"{scraped}/api/v1/query_exemplars", params=given).json()["data"]
    assert found
    assert all(len(exemplar["labels"]["trace_id"]) == 32 for series in found for exemplar in series["exemplars"])


@pytest.mark.parametrize(
    ("name", "promql"),
    [
        ("refused", 'sum(firsttoken_requests_rejected_total{reason="queue_full"}) > 0'),
        ("the client's mistakes", 'sum(gen_ai_server_request_duration_seconds_count{error_type="invalid_value"}) > 0'),
        ("departures", 'sum(gen_ai_server_request_duration_seconds_count{error_type="client_disconnect"}) > 0'),
        ("a crash of the engine", 'sum(gen_ai_server_request_duration_seconds_count{error_type=~"engine_.*"}) > 0'),
        ("a restart of the engine", "sum(increase(firsttoken_model_loads_total[5m])) > 0"),
        ("two context sizes", "count(count by (context_bucket) (firsttoken_ttft_by_context_seconds_count)) > 1"),
    ],
)
def test_the_run_had(scraped: str, name: str, promql: str) -> None:
    """The panels showed what they are for, not only zeros."""
    assert until(lambda: query(scraped, promql), 10, name)
