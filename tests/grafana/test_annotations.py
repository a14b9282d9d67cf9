"""The texts of alerts say the same in both programs: each is expanded as Prometheus and as Grafana would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.grafana import texts
from tests.grafana.rule_forms import of_grafana, of_prometheus, promtool

LABELS = {
    "job": "home",
    "instance": "box:8080",
    "gen_ai_request_model": "smollm2",
    "family": "firsttoken_queue_depth",
}
VALUE = 0.25


@pytest.mark.parametrize("alert", of_prometheus())
def test_texts_are_filled_in(alert: str) -> None:
    """Every annotation expands in both programs, to the same text, and the figure is a figure."""
    ours, theirs = of_prometheus()[alert]["annotations"], of_grafana()[alert]["annotations"]
    expanded = {name: texts.expand(text, texts.prometheus_data(LABELS, VALUE)) for name, text in ours.items()}
    assert {
        name: texts.expand(text, texts.grafana_data(LABELS, VALUE)) for name, text in theirs.items()
    } == expanded
    assert all("var=" not in text and "{{" not in text for text in expanded.values())


@pytest.mark.parametrize("alert", of_grafana())
def test_labels_of_a_text_are_those_that_the_rule_has(alert: str) -> None:
    """A text names only labels that its expression leaves: another would be `[no value]`."""
    rule = of_prometheus()[alert]
    named = {
        part.split(" ")[0] for text in rule["annotations"].values() for part in text.split(".Labels.")[1:]
    }
    assert all(f"{label}" in rule["expr"] for label in named)


def test_the_text_of_an_evaluation_is_no_number() -> None:
    """The reader of templates sees what was wrong: `.Value` in Grafana cannot be humanized."""
    with pytest.raises(texts.CannotExpandError):
        texts.expand("{{ .Value | humanize }}", texts.grafana_data(LABELS, VALUE))
    with pytest.raises(texts.CannotExpandError):
        texts.expand("{{ .Values.A.Value }}", texts.prometheus_data(LABELS, VALUE))


@pytest.mark.parametrize(
    ("alert", "value"),
    [
        ("FirsttokenQueueAge", 90.0),
        ("FirsttokenQueueAge", 31.5),
        ("FirsttokenKvNearlyFull", 0.975),
        ("FirsttokenEngineRestarted", 2.0),
    ],
)
def test_promtool_expands_the_same(alert: str, value: float, tmp_path: Path) -> None:
    """The reader of templates agrees with Prometheus' own, function by function."""
    labels = {"job": "home", "gen_ai_request_model": "smollm2"}
    rule = of_prometheus()[alert] | {"for": "0s", "expr": "tested > 0"}
    expected: dict[str, Any] = {
        "exp_labels": labels | rule["labels"],
        "exp_annotations": {
            name: texts.expand(text, texts.prometheus_data(labels, value))
            for name, text in rule["annotations"].items()
        },
    }
    series = {"series": 'tested{job="home",gen_ai_request_model="smollm2"}', "values": f"{value}x9"}
    asked = {"eval_time": "9m", "alertname": alert, "exp_alerts": [expected]}
    assert (
        promtool(tmp_path, [rule], [{"interval": "1m", "input_series": [series], "alert_rule_test": [asked]}])
        == ""
    )
