"""What is committed is what the sources build."""

from __future__ import annotations

from grafana import build
from grafana.sources.rules.files import ALERTS
from grafana.sources.rules.recording import RECORDS
from tests.contracts.sources import ROOT
from tests.grafana.bundle import FOLDER, panels
from tests.grafana.rule_forms import load, of_grafana, of_prometheus


def test_building_again_gives_the_same_bytes() -> None:
    """Every built file is committed as it is built now; `make grafana` writes them."""
    assert {
        path.name: path.read_text(encoding="utf-8") == text for path, text in build.built()
    } == dict.fromkeys((path.name for path, _ in build.built()), True)


BY_HAND = {"alertmanager.yaml", "podmonitor.yaml", "servicemonitor.yaml"}


def test_nothing_else_lies_there() -> None:
    """A dashboard or rule file that is not built any more is gone."""
    expected = {path for path, _ in build.built()}
    there = {
        path for folder in ("dashboards", "alerting", "kubernetes") for path in (FOLDER / folder).iterdir()
    }
    assert {path for path in there if path.name not in BY_HAND} == expected


def test_grafana_and_prometheus_get_the_same_rules() -> None:
    """Both files hold the same groups, waiting times, labels and texts, but for the name of the figure;
    Grafana's uids are unique and short.
    """
    assert [group["name"] for group in load("grafana-rules.yaml")["groups"]] == [
        g["name"] for g in load("prometheus-rules.yaml")["groups"]
    ]
    for alert, theirs in of_grafana().items():
        ours = of_prometheus()[alert]
        assert (theirs["for"], theirs["labels"]) == (ours["for"], ours["labels"])
        assert {
            name: text.replace(".Values.A.Value", ".Value") for name, text in theirs["annotations"].items()
        } == ours["annotations"]
        assert theirs["data"][0]["model"]["expr"] in ours["expr"]
    uids = [rule["uid"] for rule in of_grafana().values()]
    assert len(set(uids)) == len(uids)
    assert max(map(len, uids)) <= 40


def test_rules_lead_to_their_panel() -> None:
    """Every rule names a dashboard and a panel of it that draws what it is about."""
    titles = {(uid, panel["id"]): panel["title"] for uid, panel in panels()}
    led = {rule["title"]: titles[rule["dashboardUid"], rule["panelId"]] for rule in of_grafana().values()}
    assert led == {alert.name: alert.panel for alert in ALERTS}
    for alert, rule in of_grafana().items():
        assert rule["annotations"]["dashboard"] == f"/d/{rule['dashboardUid']}?viewPanel={rule['panelId']}", (
            alert
        )


def test_rules_can_be_routed() -> None:
    """Every rule says which service it is of and how urgent it is, those on an objective which one."""
    for alert, rule in of_prometheus().items():
        assert rule["labels"]["service"] == "firsttoken"
        assert rule["labels"]["severity"] in {"critical", "warning", "ticket"}
        assert rule["labels"].get("slo") == (
            "availability" if "Availability" in alert else "ttft" if "Ttft" in alert else None
        )


def test_rules_hold_nothing_that_grafana_would_interpolate() -> None:
    """Grafana replaces `$NAME` in provisioned files by variables of its environment."""
    assert "$" not in (FOLDER / "alerting" / "grafana-rules.yaml").read_text(encoding="utf-8")


def test_documentation_counts_them() -> None:
    """docs/grafana.md says how many rules there are."""
    text = (ROOT / "docs" / "grafana.md").read_text(encoding="utf-8")
    assert f"Six dashboards, {len(ALERTS)} alert rules and {len(RECORDS)} recording rules" in text
