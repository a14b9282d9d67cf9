"""Templates use exactly what their page's dataclass has; every template stays short; static files are what
they were.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import typing
from pathlib import Path

import pytest
from jinja2 import meta, nodes

from dashboard import catalog
from dashboard.assets import FOLDER, assets
from dashboard.catalog import PAGES
from dashboard.charts.timeline import PHASE_LABELS
from dashboard.layout import ERROR_TEMPLATE, ErrorContext, Layout
from dashboard.render import FRAME, MACROS, environment
from dashboard.words.configuration import _FIELDS
from telemetry.events import CacheReason, EngineConfig, EngineState, Phase

from dashboard.words import explain  # isort: skip


CONTEXTS: dict[str, type] = {**{page.template: page.context for page in PAGES}, ERROR_TEMPLATE: ErrorContext}
"""Template → what it gets."""

ENVIRONMENT = environment(PAGES)


def templates() -> list[Path]:
    """Every template of ours."""
    folders = {FRAME, *(page.folder for page in PAGES)}
    return [path for folder in folders for path in folder.glob("*.html")]


def used_fields(template: str, name: str) -> set[str]:
    """Attributes of a variable in a template and in what it includes or extends."""
    tree = ENVIRONMENT.parse(
        next(path for path in templates() if path.name == template).read_text(encoding="utf-8")
    )
    used = {
        node.attr
        for node in tree.find_all(nodes.Getattr)
        if isinstance(node.node, nodes.Name) and node.node.name == name
    }
    for other in meta.find_referenced_templates(tree):
        used |= used_fields(str(other), name)
    return used


@pytest.mark.parametrize("template", CONTEXTS)
def test_a_template_uses_exactly_its_context(template: str) -> None:
    """No field is missing, and none is passed for nothing."""
    fields = {field.name for field in dataclasses.fields(CONTEXTS[template])}
    used = used_fields(template, "page")
    name = CONTEXTS[template].__name__
    assert not used - fields, f"{template} uses {used - fields}: add them to {name} and to its view"
    assert not fields - used, f"{name} has {fields - used}, which {template} does not use"


def test_the_frame_uses_exactly_its_layout() -> None:
    """`layout` likewise, over all pages and macros."""
    used = set().union(*(used_fields(name, "layout") for name in (*CONTEXTS, *MACROS.values())))
    assert used == {field.name for field in dataclasses.fields(Layout)}


@pytest.mark.parametrize("context", [*CONTEXTS.values(), Layout])
def test_every_field_has_help(context: type) -> None:
    """Each field of a page's context says what it is."""
    for name, hint in typing.get_type_hints(context, include_extras=True).items():
        assert typing.get_origin(hint) is typing.Annotated, name
        assert hint.__metadata__[0].endswith("."), name


def test_every_folder_is_registered() -> None:
    """No folder of pages is without a page, and no page without its folder."""
    folders = {path.parent for path in (Path(catalog.__file__).parent / "pages").glob("*/__init__.py")}
    assert folders == {page.folder for page in PAGES}


def test_registrations_fit_together() -> None:
    """Keys, addresses and titles are there once, path parameters are declared, `entry` is of the menu."""
    for name in ("key", "path", "title"):
        assert len({getattr(page, name) for page in PAGES}) == len(PAGES)
    for page in PAGES:
        assert set(re.findall(r"{(\w+):", page.path)) <= set(page.parameters)
    listed = {page.key for page in PAGES if page.listed}
    assert {page.entry for page in PAGES if not page.listed} <= listed


def test_a_name_is_there_once() -> None:
    """Two folders with a template of one name would hide one of them."""
    names = [path.name for path in templates()]
    assert len(names) == len(set(names)) > 20


def test_templates_are_short() -> None:
    """A template has fewer than 80 lines."""
    assert all(len(path.read_text(encoding="utf-8").splitlines()) < 80 for path in templates())


def test_vendored_files_are_those_of_the_manifest() -> None:
    """Every script but ours is vendored, has a version, and has not been touched."""
    manifest = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest) == {path.name for path in FOLDER.glob("*.js")} - {"playground.js"}
    for name, entry in manifest.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == entry["sha256"]
        assert entry["version"]


def test_every_name_has_its_words_and_its_colour() -> None:
    """Phases, cache reasons, engine states and configuration fields are all explained; each phase has a
    colour in both themes.
    """
    assert set(PHASE_LABELS) == set(Phase), "charts/timeline.py: PHASE_LABELS has each"
    assert set(explain.CACHE_REASONS) == set(CacheReason), "words/explain.py: CACHE_REASONS has each"
    assert set(explain.ENGINE_STATES) == set(EngineState), "words/explain.py: ENGINE_STATES has each"
    assert {key for key, *_ in _FIELDS} == {field.name for field in dataclasses.fields(EngineConfig)} - {
        "model"
    }
    style = assets()["app.css"].content.decode()
    bare = [phase.value for phase in Phase if style.count(f"--phase-{phase.value}:") != 2]
    assert not bare, f"dashboard/static/app.css: give {bare} a colour --phase-… in both themes"


@pytest.mark.parametrize("reason", CacheReason)
@pytest.mark.parametrize(
    ("cached", "said"),
    [
        (0, "None of it came from the cache."),
        (15, "The cache supplied its first 15 tokens of 19."),
        (18, "All of it came from the cache but the last token, which is always computed."),
    ],
)
def test_the_words_of_a_cache_reason_fit_every_figure(reason: CacheReason, cached: int, said: str) -> None:
    """The reason says why, and claims nothing of how much; that is said by the figures themselves."""
    words = explain.CACHE_REASONS[reason]
    assert not re.search(r"[Nn]othing in the cache|everything|only that|was computed", words), words
    assert explain.cached(cached, 19) == said


def test_what_the_cache_had_is_not_guessed() -> None:
    """Of a prompt that was not looked up nothing is said."""
    assert explain.cached(None, 19) == explain.cached(3, None) == ""
