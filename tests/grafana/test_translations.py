"""Every query finds the same series on both paths, by name, label and type, and in both forms of
histograms.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import promql_parser
import pytest

from grafana.sources.queries import ALIVE
from telemetry.metrics.instrument import Kind
from tests.grafana.awaiting import AWAITED
from tests.grafana.bundle import (
    MADE_BY_PROMETHEUS,
    PARTS,
    SERIES,
    Expression,
    family_of,
    panel_expressions,
    rule_expressions,
    selectors,
)
from tests.grafana.translations import over_otlp, scraped

EVERY = [*panel_expressions(), *rule_expressions()]
SCRAPED, OTLP, EXPONENTIAL = scraped(), over_otlp(), over_otlp(exponential=True)
each = pytest.mark.parametrize("expression", EVERY, ids=[e.where for e in EVERY])


def _named(expression: Expression) -> set[str]:
    """Series of instruments that a query asks for."""
    names = {found.metric for found in selectors(expression.filled)}
    return {name for name in names if name not in MADE_BY_PROMETHEUS and family_of(name) not in AWAITED}


@each
def test_both_paths_have_the_series(expression: Expression) -> None:
    """Each series is there when scraped and over OTLP, with the same type and labels; a native histogram
    over OTLP only.
    """
    for name in _named(expression):
        if SERIES[name].kind is Kind.HISTOGRAM and not name.endswith(PARTS):
            assert EXPONENTIAL[name].kind == "native"
            assert name not in SCRAPED
        else:
            assert SCRAPED[name] == OTLP[name]


@each
def test_labels_are_on_both_paths(expression: Expression) -> None:
    """Each label that a query filters by is on the series of both paths, or one that Prometheus adds on
    both.
    """
    for found in selectors(expression.filled):
        if found.metric in _named(expression):
            there = (EXPONENTIAL if found.metric in EXPONENTIAL else OTLP)[found.metric].labels
            assert found.labels - {"job", "instance", "le"} <= there


@each
def test_only_what_counts_has_a_rate(expression: Expression) -> None:
    """`rate` and `increase` are of counters and histograms: of a gauge they are nonsense."""
    rated: set[str] = set()

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.Call) and node.func.name in {"rate", "increase"}:
            rated.update(
                str(found.vector_selector.name)
                for found in node.args
                if isinstance(found, promql_parser.MatrixSelector)
            )

    promql_parser.walk(promql_parser.parse(expression.filled), visit)
    kinds = {SERIES[name].kind for name in rated if name in SERIES}
    assert kinds <= {Kind.COUNTER, Kind.HISTOGRAM}


def test_every_histogram_is_read_in_both_forms() -> None:
    """With exponential histograms nothing is left of `_bucket`, `_sum` and `_count`: a panel or rule that
    asks for one of them asks for the native histogram as well.
    """
    assert not [name for name in EXPONENTIAL if name.endswith("_bucket")]
    asked: dict[str, set[str]] = defaultdict(set)
    for expression in EVERY:
        asked[expression.where.rsplit(" ", 1)[0]] |= {found.metric for found in selectors(expression.filled)}
    histograms = {name for name, instrument in SERIES.items() if instrument.kind is Kind.HISTOGRAM} | set(
        AWAITED
    )
    for where, names in asked.items():
        classic = {
            family_of(name) for name in names if name.endswith(PARTS) and family_of(name) in histograms
        }
        assert classic <= names, where


def test_alive_is_no_histogram() -> None:
    """What jobs and instances are listed from is a counter of every gateway, there on both paths whatever
    form histograms have.
    """
    assert SERIES[ALIVE].kind is Kind.COUNTER
    assert SCRAPED[ALIVE] == OTLP[ALIVE] == EXPONENTIAL[ALIVE]
    assert SERIES[ALIVE].labels == ()
