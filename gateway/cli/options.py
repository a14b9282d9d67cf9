"""Options that every verb shares: `--home`, `--config`, `--json`, and one flag per setting.

Setting flags are not declared one by one: each verb lets unknown options through (`gateway.cli.arguments` has
seen to it that there are none but settings'), and `parse_flags` reads them by
`gateway.settings.load.describe()`, so that a new setting has its flag at once.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.arguments import UnknownFlagError, setting_value
from gateway.settings import load as settings
from gateway.settings.load import SettingInfo, Settings

PASS_SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Typer context settings of a verb that accepts setting flags."""

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        help="Folder for database, cache, logs and settings (variable FIRSTTOKEN_HOME).",
        show_default=False,
    ),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings file; default firsttoken.toml in the home folder (variable FIRSTTOKEN_CONFIG).",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", metavar="", help="Print JSON for programs instead of text for people.")
]


def effective_settings(
    context: typer.Context,
    home: Path | None,
    config: Path | None,
    flags: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
) -> Settings:
    """Load settings from all sources; `flags` are those that a verb declares itself, they win over generic
    ones.

    Raises:
        SettingsError: a source holds an unknown key or a wrong value.
        UnknownFlagError: a flag is no setting.
    """
    env = os.environ if env is None else env
    given = config or (Path(env["FIRSTTOKEN_CONFIG"]) if env.get("FIRSTTOKEN_CONFIG") else None)
    return settings.load(env, flags={**parse_flags(context.args), **(flags or {})}, config=given, home=home)


def parse_flags(args: Sequence[str]) -> dict[str, str]:
    """`--section-key value` and `--section-key=value` → `section.key` → value; a switch may stand alone.

    Raises:
        UnknownFlagError: an argument is no flag of a setting, or its value is missing.
    """
    known = {info.flag: info for info in settings.describe()}
    values: dict[str, str] = {}
    rest = list(args)
    while rest:
        flag, has_value, value = rest.pop(0).partition("=")
        info = known.get(flag)
        if info is None:
            raise UnknownFlagError(
                f"unexpected argument {flag!r}: options and settings begin with --, and `--help` lists what"
                " is taken"
            )
        values[info.name] = value if has_value else _value(info, rest)
    return values


def _value(info: SettingInfo, rest: list[str]) -> str:
    """The argument after a flag; a switch without one is on."""
    if found := setting_value(info, rest):
        return found[0]
    if isinstance(info.default, bool):
        return "true"
    raise UnknownFlagError(f"{info.flag} needs a value")
