"""The runbook has an entry for every alert, and every alert leads to its entry."""

from __future__ import annotations

import re

import pytest

from grafana.sources.rules.alert import Alert
from grafana.sources.rules.files import ALERTS
from tests.contracts.sources import ROOT
from tests.grafana.bundle import panels
from tests.grafana.rule_forms import of_grafana, of_prometheus

TEXT = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
ENTRIES = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
EACH = pytest.mark.parametrize("alert", ALERTS, ids=[alert.name for alert in ALERTS])


def test_every_alert_has_its_entry() -> None:
    """No alert is without one, and no entry is of an alert that is gone; they come in the order of the
    rules.
    """
    assert list(ENTRIES) == [alert.name for alert in ALERTS] == list(of_prometheus())


@EACH
def test_entry_says_what_to_do(alert: Alert) -> None:
    """What it means, what to look at, what to do; and severity, hold and delay as the rule has them."""
    entry, rule = ENTRIES[alert.name], of_prometheus()[alert.name]
    assert re.findall(r"^\*\*(.+?)\.\*\* \S", entry, re.MULTILINE) == ["Means", "Look at", "Do"]
    assert f"Severity {rule['labels']['severity']}; fires after {rule['for']}; before that: " in entry


@EACH
def test_alert_leads_to_its_entry(alert: Alert) -> None:
    """`runbook_url` names the file and the anchor that a heading gets."""
    for rule in (of_prometheus()[alert.name], of_grafana()[alert.name]):
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{alert.name.lower()}"


def test_panels_that_it_names_exist() -> None:
    """*Dashboard → Panel* in an entry is a panel or a row; a link inside leads to an entry."""
    titles = {panel["title"] for _, panel in panels()}
    named = re.findall(
        r"\*(?:Overview & SLO|Engine & cache|Gateway & telemetry health|Trace explorer) → ([^*]+)\*", TEXT
    )
    rows = {"Capacity"}
    assert named
    assert set(named) - titles <= rows
    assert set(re.findall(r"\]\(#(\w+)\)", TEXT)) <= {name.lower() for name in ENTRIES}
