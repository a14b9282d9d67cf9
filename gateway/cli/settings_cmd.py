"""`firsttoken settings`: every setting with its effective value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape
from rich.padding import Padding

from gateway.cli.options import ConfigOption, HomeOption, JsonOption, effective_settings
from gateway.cli.output import console, print_json, table
from gateway.settings.load import SettingInfo, Settings, describe
from gateway.settings.values import shown, value_of

MarkdownOption = Annotated[
    bool, typer.Option("--markdown", metavar="", help="Print the reference page (docs/settings.md) instead.")
]

MIN_DESCRIPTION_COLUMNS = 50


def settings(
    context: typer.Context,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    markdown: MarkdownOption = False,
) -> None:
    """Show all settings with the values in effect."""
    if markdown:
        typer.echo(reference(), nl=False)
        return
    effective = effective_settings(context, home, config)
    if as_json:
        print_json({"home": effective.home, "settings": [_entry(info, effective) for info in describe()]})
        return
    console.print(f"home folder: {escape(str(effective.home))}", soft_wrap=True)
    _print([(info.name, shown(value_of(effective, info)), info.description) for info in describe()])


def _print(rows: Sequence[tuple[str, str, str]]) -> None:
    """A table where the descriptions have room, else each description below its setting."""
    beside = max(len(name) for name, _, _ in rows) + max(len(value) for _, value, _ in rows) + 4
    if console.width - beside >= MIN_DESCRIPTION_COLUMNS:
        grid = table("setting", "value", "description")
        grid.columns[-1].no_wrap = False  # prose
        for row in rows:
            grid.add_row(*map(escape, row))
        console.print(grid)
        return
    for name, value, description in rows:
        console.print(f"[bold]{name}[/bold] = {escape(value)}", soft_wrap=True, highlight=False)
        console.print(Padding(escape(description), (0, 0, 0, 4)), highlight=False)


def _entry(info: SettingInfo, effective: Settings) -> dict[str, object]:
    return {
        "name": info.name,
        "value": value_of(effective, info),
        "default": info.default,
        "source": effective.sources.get(info.name, "built-in"),
        "variable": info.variable,
        "flag": info.flag,
        "description": info.description,
    }


def reference() -> str:
    """The reference page of all settings, in Markdown."""
    lines = list(_PREAMBLE)
    section = ""
    for info in describe():
        if info.section != section:
            section = info.section
            lines += ["", f"## `[{section}]`", "", "| key | default | what it does |", "| --- | --- | --- |"]
        lines.append(
            f"| `{info.key}` | `{shown(info.default)}` | {info.description.replace('|', chr(92) + '|')} |"
        )
    return "\n".join(lines) + "\n"


_PREAMBLE = (
    "# Settings",
    "",
    (
        "Written by `firsttoken settings --markdown` from `gateway/settings/load.py`; `make docs` writes it"
        " again."
    ),
    "",
    (
        "Sources, later ones win: built-in value, `firsttoken.toml`, environment, command-line flag. A"
        " setting `section.key` is"
    ),
    (
        "`key` under `[section]` in the file, the variable `FIRSTTOKEN_SECTION_KEY`, and the flag"
        " `--section-key` (with `-` for `_`)."
    ),
    (
        "Lists are separated by commas in variables and flags. An unknown key or a wrong value is an error"
        " that names its source."
    ),
    "",
    (
        "`FIRSTTOKEN_HOME` (flag `--home`) is the folder that everything is kept in, the settings file"
        " included; by default the"
    ),
    (
        "platform's user data folder. `FIRSTTOKEN_CONFIG` (flag `--config`) names another settings file. The"
        " `OTEL_*` variables"
    ),
    "configure OTLP as the OpenTelemetry specification says.",
)
