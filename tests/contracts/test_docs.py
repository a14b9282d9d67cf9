"""The documentation says what the program has."""

from __future__ import annotations

import re

import pytest
import typer

from dashboard.catalog import PAGES
from dashboard.docs import with_table
from gateway.cli.main import app
from gateway.cli.settings_cmd import reference
from gateway.settings.load import SettingInfo, describe
from tests.contracts.sources import ROOT


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
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == reference()


@pytest.mark.parametrize("info", list(describe()), ids=lambda info: info.name)
def test_setting_is_described(info: SettingInfo) -> None:
    """Every setting has a description that is a sentence."""
    assert len(info.description) > 10
    assert info.description.endswith(".")


def test_readme_names_every_verb() -> None:
    """The README's table of commands has every verb."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [verb for verb in _verbs() if f"firsttoken {verb}" not in readme]


def test_readme_names_no_verb_too_many() -> None:
    """Every `firsttoken verb` in the README exists."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    known = {verb.split()[0] for verb in _verbs()}
    assert set(re.findall(r"`(?:\.venv/bin/)?firsttoken ([a-z]+)", readme)) <= known


def test_table_of_pages_is_current() -> None:
    """docs/dashboard.md has the table that the registrations make; `make docs` writes it."""
    text = (ROOT / "docs" / "dashboard.md").read_text(encoding="utf-8")
    assert text == with_table(text, PAGES)


@pytest.mark.parametrize(
    "page", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "grafana/README.md", "docs/grafana.md", "docs/dashboard.md"]
)
def test_links_lead_somewhere(page: str) -> None:
    """Every relative link of a page names a file that exists (pictures of the dashboard are made by hand)."""
    path = ROOT / page
    targets = re.findall(r"(?<!!)\[[^\]]*\]\((?!https?:|#)([^)#\s]+)", path.read_text(encoding="utf-8"))
    assert not [target for target in targets if not (path.parent / target).exists()]
