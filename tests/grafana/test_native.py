"""Panels have data where histograms are native, as exponential ones over OTLP become: a real Prometheus
that scrapes such.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from grafana.sources import queries as q
from telemetry.metrics.instrument import Kind
from tests.e2e.prometheus import prometheus, query
from tests.e2e.serving import until
from tests.grafana.awaiting import AWAITED
from tests.grafana.bundle import PARTS, SERIES, Expression, family_of, panel_expressions, selectors
from tests.grafana.native_exposition import serving


def _families(expression: Expression) -> set[str]:
    return {family_of(found.metric) for found in selectors(expression.filled)}


def _of_histograms_only(expression: Expression) -> bool:
    """Whether native histograms alone must give it data: no gauge, nothing that is not there yet, and not
    the classic rows of a heat map.
    """
    kinds = {SERIES[name].kind for name in _families(expression) if name in SERIES}
    classic_rows = all(found.metric.endswith(PARTS) for found in selectors(expression.filled))
    return kinds == {Kind.HISTOGRAM} and not _families(expression) & set(AWAITED) and not classic_rows


EXPRESSIONS = [e for e in panel_expressions() if _of_histograms_only(e)]


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the Prometheus, once it has two scrapes."""
    with (
        serving() as port,
        prometheus(tmp_path_factory.mktemp("native"), port, features="native-histograms") as url,
    ):
        until(
            lambda: query(url, f"histogram_count(rate({q.TTFT}[5m])) > 0"),
            30,
            "two scrapes of native histograms",
        )
        yield url


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=[e.where for e in EXPRESSIONS])
def test_panel_has_data(native: str, expression: Expression) -> None:
    """The query gives a figure, or a histogram for a heat map."""
    rows = query(native, expression.filled)
    assert rows
    assert all(
        "histogram" in row if expression.native else not math.isnan(float(row["value"][1])) for row in rows
    )


def test_shares_are_those_of_the_buckets(native: str) -> None:
    """Half of the values are above 2.5 s: the share of late first tokens, which alerts are of, is a half;
    the median lies in the lower half.
    """
    ((late,), (median,)) = (
        query(native, expr)
        for expr in (q.late_share("5m", scope=""), q.quantile(0.5, q.TTFT, scope="", window="5m"))
    )
    assert float(late["value"][1]) == pytest.approx(0.5)
    assert 0.5 < float(median["value"][1]) <= 1


def test_there_is_nothing_classic(native: str) -> None:
    """It is the native form that the panels read."""
    assert query(native, f"{q.TTFT}_bucket or {q.TTFT}_count") == []
