"""What panels of gauges say while no engine runs: its gauges are 0, and a share of nothing is no figure."""

from __future__ import annotations

from pathlib import Path

from tests.grafana.bundle import OF_ANY_SERIES, Expression, labels_of, panel_expressions, selectors
from tests.grafana.rule_forms import promtool

COUNTS = ("_sum{", "_count{", "_total{")
"""Of a histogram or a counter: born with its first value, so that it is never a division by 0."""

GAUGES = [
    each
    for each in panel_expressions()
    if "[" not in each.text and " / " in each.text and not any(end in each.text for end in COUNTS)
]


def _zero(metric: str) -> dict[str, str]:
    labels = ",".join(f'{label}="idle"' for label in sorted(labels_of(metric) | OF_ANY_SERIES - {"le"}))
    return {"series": f"{metric}{{{labels}}}", "values": "0x5"}


def _not_a_number(expression: Expression) -> dict[str, object]:
    """Only NaN differs from itself; nothing is expected to."""
    series = [_zero(metric) for metric in sorted({found.metric for found in selectors(expression.filled)})]
    query = {"expr": f"({expression.filled}) != ({expression.filled})", "eval_time": "3m", "exp_samples": []}
    return {"name": expression.where, "interval": "1m", "input_series": series, "promql_expr_test": [query]}


def test_a_share_of_nothing_is_no_figure(tmp_path: Path) -> None:
    """No panel that divides gauges draws NaN beside an engine that was given up."""
    shares = {each.panel for each in GAUGES if "firsttoken_kv_cache_limit" in each.text}
    assert shares == {"KV headroom", "KV in use"}
    assert promtool(tmp_path, [], [_not_a_number(each) for each in GAUGES]) == ""
