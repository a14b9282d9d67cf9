"""Expands the texts of alerts as each program does: what a template may name, and what the functions that we
use make of it.

Prometheus (`template.AlertTemplateData`): `.Labels`, and `.Value`, a number. Grafana
(`ngalert/state/template`): `.Labels`, `.Values` by reference id, each with a `.Value`, and `.Value`, the text
of the whole evaluation. What is not there is `[no value]` to Grafana.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

Data = Mapping[str, object]

TEMPLATE = re.compile(r"\{\{ (?P<path>[.\w]+)(?: \| (?P<function>\w+))? \}\}")


class CannotExpandError(Exception):
    """The program would show the error in the place of the text."""


def prometheus_data(labels: Mapping[str, str], value: float) -> Data:
    """What Prometheus gives to a template."""
    return {"Labels": labels, "Value": value}


def grafana_data(labels: Mapping[str, str], value: float) -> Data:
    """What Grafana gives to a template of a rule with a query A and a condition C."""
    named = ", ".join(f"{key}={text}" for key, text in labels.items())
    evaluation = f"[ var='A' labels={{{named}}} value={value} ], [ var='C' labels={{{named}}} value=1 ]"
    return {"Labels": labels, "Values": {"A": {"Value": value}, "C": {"Value": 1.0}}, "Value": evaluation}


def expand(text: str, data: Data) -> str:
    """The text as it is sent.

    Raises:
        CannotExpandError: a name that is not there, or a function that cannot take what it names.
    """

    def one(found: re.Match[str]) -> str:
        value = _looked_up(found["path"], data)
        return FUNCTIONS[found["function"]](_number(value)) if found["function"] else str(value)

    expanded = TEMPLATE.sub(one, text)
    if "{{" in expanded:
        raise CannotExpandError(text)
    return expanded


def _looked_up(path: str, data: Data) -> object:
    value: object = data
    for name in path.strip(".").split("."):
        if not isinstance(value, Mapping) or name not in value:
            raise CannotExpandError(path)
        value = value[name]
    return value


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError as err:
        raise CannotExpandError(str(value)) from err


def _four_digits(value: float) -> str:
    return f"{value:.4g}"


def _percentage(value: float) -> str:
    return f"{value * 100:.4g}%"


def _duration(value: float) -> str:
    """From a minute on in whole parts, below it with four digits."""
    if value < 60:
        return f"{value:.4g}s" if value >= 1 or value == 0 else f"{value * 1000:.4g}ms"
    minutes, seconds = divmod(int(value), 60)
    return f"{minutes}m {seconds}s"


FUNCTIONS: dict[str, Callable[[float], str]] = {
    "humanize": _four_digits,
    "humanizePercentage": _percentage,
    "humanizeDuration": _duration,
}
