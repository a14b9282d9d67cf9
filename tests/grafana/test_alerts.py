"""Alerts fire when they should and are quiet when they should be, in both forms: promtool with the built
files.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.grafana.bundle import FOLDER
from tests.grafana.cases import CASES
from tests.grafana.rule_forms import as_tests, in_both_forms, of_grafana, of_prometheus, promtool

ALERTS = sorted({case.alert for case in CASES})


@pytest.mark.parametrize("alert", ALERTS)
def test_alert(alert: str, tmp_path: Path) -> None:
    """The alert fires, or is quiet, in every case of it: as Prometheus reads it and as Grafana does."""
    cases = [case for case in CASES if case.alert == alert]
    (step,) = {case.step for case in cases}
    assert promtool(tmp_path, in_both_forms(alert), as_tests(cases), step) == ""


def test_every_alert_has_a_firing_and_a_quiet_case() -> None:
    """No rule of either form is untested."""
    assert set(of_prometheus()) == set(of_grafana())
    assert {case.alert for case in CASES if case.fires} == set(of_prometheus())
    assert {case.alert for case in CASES if not case.fires} == set(of_prometheus())


def test_absence_names_family_and_process(tmp_path: Path) -> None:
    """The text of an absent family says which one and where, and each is an alert of its own."""
    name = "FirsttokenModelLoadsAbsent"
    series = {
        'firsttoken_engine_slots{job="home",instance="a",gen_ai_request_model="m",state="idle"}': "8x30"
    }
    alerts = [
        {
            "exp_labels": {
                "job": "home",
                "instance": "a",
                "family": family,
                "severity": "warning",
                "service": "firsttoken",
            },
            "exp_annotations": of_prometheus()[name]["annotations"]
            | {"summary": f"Engines report, but there is no {family} (a)"},
        }
        for family in ("firsttoken_engine_state", "firsttoken_model_loads_total")
    ]
    listed = [{"series": series, "values": values} for series, values in series.items()]
    test = {
        "interval": "1m",
        "input_series": listed,
        "alert_rule_test": [{"eval_time": "20m", "alertname": name, "exp_alerts": alerts}],
    }
    assert promtool(tmp_path, [of_prometheus()[name]], [test]) == ""


@pytest.mark.parametrize("name", ["prometheus-rules.yaml", "prometheus-recording.yaml"])
def test_promtool_accepts_the_rules(name: str) -> None:
    """`promtool check rules` finds nothing."""
    done = subprocess.run(
        ["promtool", "check", "rules", str(FOLDER / "alerting" / name)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
