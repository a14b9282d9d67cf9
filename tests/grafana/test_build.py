"""What is committed is what the sources build."""

from __future__ import annotations

import yaml

from grafana import build
from tests.grafana.bundle import FOLDER


def test_building_again_gives_the_same_bytes() -> None:
    """Every built file is committed as it is built now; `make grafana` writes them."""
    assert {path.name: path.read_text(encoding="utf-8") == text for path, text in build.built()} == dict.fromkeys(
        (path.name for path, _ in build.built()), True
    )


def test_nothing_else_lies_there() -> None:
    """A dashboard or rule file that is not built any more is gone."""
    expected = {path for path, _ in build.built()}
    assert {path for folder in ("dashboards", "alerting") for path in (FOLDER / folder).iterdir()} == expected


def test_grafana_and_prometheus_get_the_same_rules() -> None:
    """Both files hold the same expressions, waiting times, labels and texts; Grafana's uids are unique and short enough."""
    of_prometheus = yaml.safe_load((FOLDER / "alerting" / "prometheus-rules.yaml").read_text(encoding="utf-8"))["groups"]
    of_grafana = yaml.safe_load((FOLDER / "alerting" / "grafana-rules.yaml").read_text(encoding="utf-8"))["groups"]
    assert [group["name"] for group in of_grafana] == [group["name"] for group in of_prometheus]
    ours = [rule for group in of_prometheus for rule in group["rules"]]
    theirs = [rule for group in of_grafana for rule in group["rules"]]
    assert [(r["title"], r["data"][0]["model"]["expr"], r["for"], r["labels"], r["annotations"]) for r in theirs] == [
        (r["alert"], r["expr"], r["for"], r["labels"], r["annotations"]) for r in ours
    ]
    uids = [rule["uid"] for rule in theirs]
    assert len(set(uids)) == len(uids)
    assert max(map(len, uids)) <= 40


def test_rules_hold_nothing_that_grafana_would_interpolate() -> None:
    """Grafana replaces `$NAME` in provisioned files by variables of its environment."""
    assert "$" not in (FOLDER / "alerting" / "grafana-rules.yaml").read_text(encoding="utf-8")
