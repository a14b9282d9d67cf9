"""Alerts fire when they should and are quiet when they should be: `promtool test rules` with the built file."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.grafana.alert_cases import CASES, Case
from tests.grafana.bundle import FOLDER, rules

RULES = FOLDER / "alerting" / "prometheus-rules.yaml"


def promtool(folder: Path, series: dict[str, str], **tests: Any) -> None:
    """Run one unit test of rules; its output is the message where it fails."""
    listed = [{"series": name, "values": values} for name, values in series.items()]
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "tests": [{"interval": "1m", "input_series": listed, **tests}]}))
    done = subprocess.run(["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=[f"{case.alert}: {case.name}" for case in CASES])
def test_alert(case: Case, tmp_path: Path) -> None:
    """The alert fires, or is quiet, at the case's time."""
    expr = f'count(ALERTS{{alertname="{case.alert}", alertstate="firing"}}) or vector(0)'
    sample = {"labels": "{}", "value": int(case.fires)}
    promtool(tmp_path, case.series, promql_expr_test=[{"expr": expr, "eval_time": case.at, "exp_samples": [sample]}])


def test_every_alert_has_a_firing_and_a_quiet_case() -> None:
    """No rule is untested."""
    names = {rule["alert"] for rule in rules()}
    assert {case.alert for case in CASES if case.fires} == names
    assert {case.alert for case in CASES if not case.fires} == names


def test_texts_are_filled_in(tmp_path: Path) -> None:
    """A firing alert names the model, the job and the figure."""
    series = {'firsttoken_queue_oldest_age_seconds{job="home",instance="a",gen_ai_request_model="smollm2"}': "90x10"}
    alert = {
        "exp_labels": {"job": "home", "gen_ai_request_model": "smollm2", "severity": "warning"},
        "exp_annotations": {
            "summary": "A request for smollm2 has waited 1m 30s for a slot",
            "description": "The slots of home are too few for the traffic, or an engine is stuck.",
            "dashboard": "/d/firsttoken-engine",
        },
    }
    promtool(tmp_path, series, alert_rule_test=[{"eval_time": "5m", "alertname": "FirsttokenQueueAge", "exp_alerts": [alert]}])


def test_absence_names_the_family(tmp_path: Path) -> None:
    """The text of an absent family says which one, and each is an alert of its own."""
    series = {'firsttoken_engine_slots{job="home",instance="a",gen_ai_request_model="m",state="idle"}': "8x30"}
    expr = 'ALERTS{alertname="FirsttokenModelLoadsAbsent", alertstate="firing"}'
    labels = "{__name__='ALERTS', alertname='FirsttokenModelLoadsAbsent', alertstate='firing', family='firsttoken_model_loads_total', severity='warning'}"
    promtool(
        tmp_path,
        series,
        promql_expr_test=[{"expr": expr, "eval_time": "20m", "exp_samples": [{"labels": labels.replace("'", '"'), "value": 1}]}],
    )


def test_promtool_accepts_the_rules() -> None:
    """`promtool check rules` finds nothing."""
    done = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
