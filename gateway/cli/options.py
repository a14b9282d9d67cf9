"""Options that every verb shares: `--home`, `--config`, `--json`, and one flag per setting.

Setting flags are not declared one by one: each verb lets unknown options through, and `parse_flags` checks them
against `gateway.settings.describe()`, so that a new setting has its flag at once.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway import settings
from gateway.settings import SettingInfo, Settings

PASS_SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Typer context settings of a verb that accepts setting flags."""

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder for models, database and logs. [env FIRSTTOKEN_HOME]", show_default=False)
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file; default firsttoken.toml in the home folder. [env FIRSTTOKEN_CONFIG]", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of text for people.")]


class UnknownFlagError(typer.BadParameter):
    """A flag that is no option of the verb and no setting."""


def effective_settings(
    context: typer.Context,
    home: Path | None,
    config: Path | None,
    flags: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
) -> Settings:
    """Load settings from all sources; `flags` are those that a verb declares itself, they win over generic ones.

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
            raise UnknownFlagError(_unknown(flag, known))
        values[info.name] = value if has_value else _take_value(info, rest)
    return values


def _take_value(info: SettingInfo, rest: list[str]) -> str:
    """The argument after a flag; a switch without one is on."""
    if rest and not rest[0].startswith("--"):
        return rest.pop(0)
    if isinstance(info.default, bool):
        return "true"
    raise UnknownFlagError(f"{info.flag} needs a value")


def _unknown(flag: str, known: Mapping[str, SettingInfo]) -> str:
    """Say that a flag is unknown, and which one may have been meant."""
    near = difflib.get_close_matches(flag, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "`firsttoken settings` lists all settings"
    return f"unknown option {flag!r}; {hint}"
