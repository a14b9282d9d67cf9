"""The documentation says what the program has."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import typer

from dashboard.catalog import PAGES
from dashboard.docs import with_table
from gateway.cli.main import app
from gateway.cli.settings_cmd import reference
from gateway.settings.load import SettingInfo, describe
from tests.contracts.markdown import code_of, pages
from tests.contracts.sources import ROOT, own_files

DECLARED = frozenset(f"gateway/settings/{name}.py" for name in ("sections", "engine", "values"))
"""Where settings are named and not read."""


def _verbs() -> list[str]:
    """Every verb of the command line, sub-verbs as `models list`."""
    group = typer.main.get_group(app)
    found: list[str] = []
    for name, command in group.commands.items():
        children = getattr(command, "commands", None)
        found += [f"{name} {child}" for child in children] if children else [name]
    return found


def test_settings_page_is_current() -> None:
    """docs/settings.md is what `firsttoken settings --markdown` prints; `make docs` writes it."""
    current = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == reference()
    assert current, "docs/settings.md is not what the settings are now: run `make docs`"


@pytest.mark.parametrize("info", list(describe()), ids=lambda info: info.name)
def test_setting_is_described(info: SettingInfo) -> None:
    """Every setting has a description that is a sentence."""
    assert len(info.description) > 10
    assert info.description.endswith(".")


@pytest.mark.parametrize("page", ["README.md", "docs/command-line.md"])
def test_every_verb_is_in_the_tables_of_commands(page: str) -> None:
    """The short table and the long one have every verb."""
    text = (ROOT / page).read_text(encoding="utf-8")
    missing = [verb for verb in _verbs() if f"`firsttoken {verb}" not in text]
    assert not missing, f"add {missing} to the table of commands in {page}"


def test_flags_in_the_table_of_commands_exist() -> None:
    """Every flag in the row of a verb in docs/command-line.md is one that the verb takes."""
    text = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `firsttoken ([a-z ]+[a-z])[^`]*` \| (.*) \|$", text, re.MULTILINE)
    named = {verb: set(re.findall(r"`(--[a-z-]+)", what)) for verb, what in rows}
    wrong = {verb: sorted(flags - _flags(verb)) for verb, flags in named.items() if flags - _flags(verb)}
    assert set(named) == set(_verbs())
    assert not wrong, f"docs/command-line.md names flags that there are not: {wrong}"


def _flags(verb: str) -> set[str]:
    """What a verb takes, but for settings."""
    command = typer.main.get_command(app)
    for name in verb.split():
        command = getattr(command, "commands", {})[name]
    return {flag for param in command.params for flag in param.opts}


@pytest.mark.parametrize("page", pages(), ids=str)
def test_no_page_names_a_verb_too_many(page: Path) -> None:
    """Every `firsttoken verb` in a page exists."""
    known = {verb.split()[0] for verb in _verbs()}
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:\.venv/bin/)?firsttoken ([a-z]+)", text))
    assert named <= known, f"{page} names verbs that there are not: {sorted(named - known)}"


@pytest.mark.parametrize("info", list(describe()), ids=lambda info: info.name)
def test_setting_is_read(info: SettingInfo) -> None:
    """What no code reads does nothing, whatever its description says."""
    read = re.compile(rf"\.{info.key}\b|\"{info.key}\"")
    used = any(read.search(source) for source in _readers())
    assert used, f"nothing reads {info.name}: see docs/where-to-add.md#a-setting"


@cache
def _readers() -> tuple[str, ...]:
    """The product's source, but for where settings are declared and handed on as a whole."""
    paths = own_files(".py", folders=("gateway", "telemetry"))
    read = (path for path in paths if path.as_posix() not in DECLARED)
    return tuple((ROOT / path).read_text(encoding="utf-8") for path in read)


def test_table_of_pages_is_current() -> None:
    """docs/dashboard.md has the table that the registrations make; `make docs` writes it."""
    text = (ROOT / "docs" / "dashboard.md").read_text(encoding="utf-8")
    assert text == with_table(text, PAGES), "docs/dashboard.md is not what the pages are now: run `make docs`"


def _targets() -> set[str]:
    """What `make` can be asked for."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_contributing_names_every_target() -> None:
    """The table of commands has each target of the Makefile."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    missing = [target for target in sorted(_targets()) if f"| `make {target}` |" not in text]
    assert not missing, f"add {missing} to the table of commands in CONTRIBUTING.md"


@pytest.mark.parametrize("page", pages(), ids=str)
def test_no_page_names_a_target_too_many(page: Path) -> None:
    """Every `make target` in a page is in the Makefile."""
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", "\n".join(code_of(page))))
    assert named <= _targets(), f"{page} names targets that there are not: {sorted(named - _targets())}"
