"""`firsttoken doctor`: whether everything is there that serving needs."""

from __future__ import annotations

import os
from dataclasses import asdict

import typer
from rich.markup import escape

from gateway.cli import checks
from gateway.cli.check import Check
from gateway.cli.options import ConfigOption, HomeOption, JsonOption, effective_settings
from gateway.cli.output import console, print_json

MARKS = {"ok": "[green]ok  [/green]", "warn": "[yellow]warn[/yellow]", "fail": "[red]fail[/red]"}


def doctor(
    context: typer.Context, home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Check this machine and the settings; exit code 1 when something would keep the gateway from serving."""
    effective = effective_settings(context, home, config)
    found: list[Check] = []
    for check in checks.run_all(effective, os.environ):
        found.append(check)
        if not as_json:
            _print(check)
    healthy = all(check.outcome != "fail" for check in found)
    if as_json:
        print_json({"healthy": healthy, "checks": [asdict(check) for check in found]})
    if not healthy:
        raise typer.Exit(1)


def _print(check: Check) -> None:
    console.print(
        f"{MARKS[check.outcome]} {check.name:<9} {escape(check.detail)}", soft_wrap=True, highlight=False
    )
