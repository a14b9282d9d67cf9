"""Both forms of the alert rules as promtool can run them: the Prometheus file as it is, Grafana's by its
own fields.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.grafana.bundle import FOLDER
from tests.grafana.cases.case import Case

COMPARED = {"gt": ">", "lt": "<"}
"""Grafana's evaluators that our rules use (pkg/expr/threshold.go): both compare as PromQL does, and NaN is
on neither side.
"""


def load(name: str) -> dict[str, Any]:
    """A built rule file."""
    content: dict[str, Any] = yaml.safe_load((FOLDER / "alerting" / name).read_text(encoding="utf-8"))
    return content


def of_prometheus() -> dict[str, dict[str, Any]]:
    """Alert → the rule as Prometheus has it."""
    return {
        rule["alert"]: rule for group in load("prometheus-rules.yaml")["groups"] for rule in group["rules"]
    }


def of_grafana() -> dict[str, dict[str, Any]]:
    """Alert → the rule as Grafana has it."""
    return {rule["title"]: rule for group in load("grafana-rules.yaml")["groups"] for rule in group["rules"]}


def read_grafana(rule: dict[str, Any]) -> dict[str, Any]:
    """What Grafana does with a rule, in PromQL: query A once, now; the condition compares each of its
    values with a number.
    """
    data = {part["refId"]: part for part in rule["data"]}
    query, condition = data["A"]["model"], data[rule["condition"]]["model"]
    assert (query["instant"], query["range"]) == (True, False)
    assert (condition["type"], condition["expression"], data[rule["condition"]]["datasourceUid"]) == (
        "threshold",
        "A",
        "__expr__",
    )
    ((evaluator,),) = ([list(part.values()) for part in condition["conditions"]],)
    (limit,) = evaluator[0]["params"]
    assert rule["noDataState"] == "OK"
    expr = f"({query['expr']}) {COMPARED[evaluator[0]['type']]} {limit}"
    return {"alert": rule["title"], "expr": expr, "for": rule["for"], "labels": rule["labels"]}


FORMS: dict[str, Callable[[str], dict[str, Any]]] = {
    "prometheus": lambda alert: {
        key: value for key, value in of_prometheus()[alert].items() if key != "annotations"
    },
    "grafana": lambda alert: read_grafana(of_grafana()[alert]),
}


def promtool(
    folder: Path, rules: Sequence[dict[str, Any]], tests: Sequence[dict[str, Any]], step: str = "1m"
) -> str:
    """Run unit tests of rules; what failed, or nothing."""
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "tested", "rules": list(rules)}]}))
    file = folder / "test.yaml"
    file.write_text(
        yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": step, "tests": list(tests)})
    )
    done = subprocess.run(
        ["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False, cwd=folder
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def in_both_forms(alert: str) -> list[dict[str, Any]]:
    """The alert's rules, told apart by a label."""
    return [
        (rule := read(alert)) | {"labels": rule["labels"] | {"form": form}} for form, read in FORMS.items()
    ]


def as_test(case: Case) -> dict[str, Any]:
    """A case in promtool's words: which forms of the alert fire. Its name is in what fails."""
    return {
        "name": case.name,
        "interval": case.step,
        "input_series": _series(case),
        "promql_expr_test": [_expected(case)],
    }


def as_tests(cases: Sequence[Case]) -> list[dict[str, Any]]:
    """A test for each case; those that are told by model are one test, with a model for each: days of
    samples are loaded once.
    """
    if not all(ONE_MODEL in name for case in cases for name in case.series):
        return [as_test(case) for case in cases]
    models = {f'gen_ai_request_model="{case.name}"': case for case in cases}
    series = [
        s | {"series": s["series"].replace(ONE_MODEL, model)}
        for model, case in models.items()
        for s in _series(case)
    ]
    expected = [_expected(case, model) for model, case in models.items()]
    return [{"interval": cases[0].step, "input_series": series, "promql_expr_test": expected}]


ONE_MODEL = 'gen_ai_request_model="m"'


def _series(case: Case) -> list[dict[str, str]]:
    return [{"series": name, "values": values} for name, values in case.series.items()]


def _expected(case: Case, model: str = "") -> dict[str, Any]:
    samples = [{"labels": f'{{form="{form}"}}', "value": 1} for form in FORMS if case.fires]
    firing = ",".join([f'alertname="{case.alert}"', 'alertstate="firing"', *([model] if model else [])])
    return {"expr": f"count by (form) (ALERTS{{{firing}}})", "eval_time": case.at, "exp_samples": samples}
