"""Every query parses and names metrics and labels that exist."""

from __future__ import annotations

import pytest

from grafana.sources.objectives import LOOP_LAG_S, TTFT_S
from grafana.sources.queries import ALIVE
from grafana.sources.rules import families
from telemetry.metrics.buckets import OVERHEAD_BUCKETS, TTFT_BUCKETS
from telemetry.metrics.catalog import ALL
from tests.grafana.awaiting import AWAITED
from tests.grafana.bundle import (
    MADE_BY_PROMETHEUS,
    SERIES,
    Expression,
    family_of,
    groupings,
    labels_of,
    panel_expressions,
    panels,
    rule_expressions,
    selectors,
)

EVERY = [*panel_expressions(), *rule_expressions()]
MADE_BY_QUERY = {"family"}
"""Labels that a rule makes itself."""

each = pytest.mark.parametrize("expression", EVERY, ids=[e.where for e in EVERY])


@each
def test_metrics_exist(expression: Expression) -> None:
    """The query parses, and every metric is an instrument's; an awaited one may come later."""
    missing = {found.metric for found in selectors(expression.filled)} - set(SERIES) - set(MADE_BY_PROMETHEUS)
    assert {metric for metric in missing if family_of(metric) not in AWAITED} == set()


@each
def test_labels_exist(expression: Expression) -> None:
    """Every label filtered by belongs to its metric, and every label grouped by to some metric of the
    query.
    """
    named = selectors(expression.filled)
    known = [found for found in named if found.metric in SERIES or found.metric in MADE_BY_PROMETHEUS]
    for found in known:
        assert found.labels <= labels_of(found.metric)
    if len(known) == len(named):
        assert (
            groupings(expression.filled)
            <= set().union(*(labels_of(found.metric) for found in known)) | MADE_BY_QUERY
        )


def test_legends_name_labels_that_are_left() -> None:
    """A legend's labels are those that its query groups by."""
    for uid, panel in panels():
        for target in panel["targets"]:
            legend = target.get("legendFormat", "")
            named = {part.split("}}")[0] for part in legend.split("{{")[1:]}
            assert not named or named <= groupings(Expression("", "", target["expr"]).filled), (
                uid,
                panel["title"],
            )


def test_what_is_awaited_is_asked_for_and_not_there() -> None:
    """The list names metrics that some query asks for and no instrument is: one that has come goes from
    it.
    """
    asked = {family_of(found.metric) for expression in EVERY for found in selectors(expression.filled)}
    assert set(AWAITED) <= asked
    assert set(AWAITED) & set(SERIES) == set()


def test_thresholds_are_bucket_boundaries() -> None:
    """A share below a threshold can be read from buckets only at their boundaries; see `objectives.TTFT_S`
    for the whole numbers.
    """
    assert TTFT_S in TTFT_BUCKETS, "grafana/sources/objectives.py: TTFT_S is a boundary of TTFT_BUCKETS"
    assert TTFT_S % 1
    assert LOOP_LAG_S in OVERHEAD_BUCKETS, "LOOP_LAG_S is a boundary of OVERHEAD_BUCKETS"


def test_every_family_is_watched_or_may_be_missing() -> None:
    """Each instrument has an `absent()` rule, or a reason why it may be missing; not both."""
    watched = {
        SERIES[metric].name for group in families.GROUPS for metric in group.metrics if metric in SERIES
    }
    watched.add(SERIES[ALIVE].name)
    conditional = {SERIES[metric].name for metric in families.CONDITIONAL if metric in SERIES}
    assert {instrument.name for instrument in ALL} - watched - conditional == set(), (
        "put it into a group of grafana/sources/families.py"
    )
    assert not watched & conditional
