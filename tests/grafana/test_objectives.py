"""The ratios behind the objectives, as panels, alerts and recording rules compute them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from grafana.sources import queries as q
from grafana.sources.objectives import BURNS, WINDOWS
from telemetry.events import EngineState
from telemetry.outcomes import Outcome
from tests.grafana.bundle import RECORDING, VARIABLES, rules
from tests.grafana.rule_forms import promtool

MODEL = 'job="firsttoken",instance="a",gen_ai_request_model="m"'
QUIET_HOURS = {
    f'{q.REQUESTS}{{{MODEL},outcome="ok"}}': "0x700",
    f'{q.REQUESTS}{{{MODEL},outcome="failed"}}': "0x600 1x100",
}
TRAFFIC = {
    f'{q.REQUESTS}{{{MODEL},outcome="ok"}}': "0+90x700",
    f'{q.REQUESTS}{{{MODEL},outcome="failed"}}': "0+30x700",
    f'{q.REQUESTS}{{{MODEL},outcome="cancelled"}}': "0+60x700",
    f'{q.TTFT}_bucket{{{MODEL},le="2.5"}}': "0+30x700",
    f"{q.TTFT}_count{{{MODEL}}}": "0+120x700",
}


def _value(
    folder: Path, series: dict[str, str], expr: str, value: float | None, recorded: list[dict[str, Any]]
) -> str:
    filled = expr
    for variable, text in VARIABLES.items():
        filled = filled.replace(variable, text)
    listed = [{"series": name, "values": values} for name, values in series.items()]
    samples = [] if value is None else [{"labels": "{}", "value": value}]
    test = {
        "interval": "1m",
        "input_series": listed,
        "promql_expr_test": [{"expr": filled, "eval_time": "610m", "exp_samples": samples}],
    }
    return promtool(folder, recorded, [test], "10m")


@pytest.mark.parametrize("window", WINDOWS)
def test_recorded_and_direct_say_the_same(window: str, tmp_path: Path) -> None:
    """A quarter of the requests fails and three quarters of the first tokens are late, over each window,
    recorded or not.
    """
    recorded = [rule for rule in rules(RECORDING) if rule["record"].endswith(f":rate{window}")]
    for share in (q.failed_share(window), q.recorded_failed_share(window)):
        assert _value(tmp_path, TRAFFIC, share, 0.25, recorded) == ""
    for share in (q.late_share(window), q.recorded_late_share(window)):
        assert _value(tmp_path, TRAFFIC, share, 0.75, recorded) == ""


def test_the_first_failure_after_quiet_hours_counts(tmp_path: Path) -> None:
    """The counter begins at 0, so the one request that failed is all of the requests."""
    assert _value(tmp_path, QUIET_HOURS, q.failed_share("1h"), 1, []) == ""
    assert _value(tmp_path, QUIET_HOURS, q.failed_share("5m"), None, []) == ""


def test_every_window_of_a_burn_rate_is_recorded() -> None:
    """The recording rules have what panels of any tier need."""
    assert {window for burn in BURNS for window in (burn.long_window, burn.short_window)} <= set(WINDOWS)


def test_values_that_rules_filter_by_exist() -> None:
    """Outcomes of requests and states of engines, as the product names them: a filter by another word
    finds nothing, and says nothing.
    """
    exprs = " ".join(rule["expr"] for rule in (*rules(), *rules(RECORDING)))
    outcomes = {word for found in re.findall(r'outcome=~?"([^"]+)"', exprs) for word in found.split("|")}
    assert outcomes == {Outcome.OK, Outcome.FAILED}
    assert set(re.findall(r'firsttoken_engine_state\{state="(\w+)"', exprs)) == {
        EngineState.READY,
        EngineState.FAILED,
    }
