"""Results for people (tables) and for programs (JSON)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from bench.figures import Result
from bench.machine import Machine


def print_tables(machine: Machine, results: Mapping[str, Result]) -> None:
    """One table per scenario, and what failed."""
    console = Console()
    console.print(str(machine), highlight=False)
    for result in results.values():
        console.print(_table(result))
    for failure in failures(results):
        console.print(f"failed: {failure}", style="bold red", highlight=False)


def print_json(machine: Machine, results: Mapping[str, Result]) -> None:
    """Everything that was measured, in one object."""
    print(msgspec.json.format(msgspec.json.encode(_plain(machine, results))).decode())


def failures(results: Mapping[str, Result]) -> list[str]:
    """Promises that do not hold."""
    return [result.failure for result in results.values() if result.failure]


def _plain(machine: Machine, results: Mapping[str, Result]) -> dict[str, Any]:
    scenarios = {
        name: {
            "columns": result.columns,
            "figures": result.figures,
            "measured": _fields(result),
            "failure": result.failure or None,
        }
        for name, result in results.items()
    }
    return {"machine": machine, "scenarios": scenarios}


def _fields(result: Result) -> dict[str, Any]:
    assert dataclasses.is_dataclass(result), "results are dataclasses"
    return {field.name: getattr(result, field.name) for field in dataclasses.fields(result)}


def _table(result: Result) -> Table:
    table = Table(title=result.title, title_justify="left", title_style="bold")
    table.add_column("figure")
    for head in result.columns:
        table.add_column(head, justify="right")
    table.add_column("unit")
    for figure in result.figures:
        table.add_row(figure.name, *map(_number, figure.values), figure.unit)
    return table


def _number(value: float | None) -> str:
    """Three figures that count; nothing where nothing was measured."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
