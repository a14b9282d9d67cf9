"""Pages in Markdown lead somewhere: links, anchors, and the files that they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts import markdown
from tests.contracts.sources import ROOT

PAGES = markdown.pages()
OF_THE_PAST = {Path("CHANGELOG.md")}
"""What it names may have been renamed since."""

AWAITED: frozenset[str] = frozenset()
"""Named before they are there; one that has come goes from here."""


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that exists, and every `#anchor` a heading of it."""
    found = markdown.broken(page)
    assert not found, f"{page} links to {', '.join(found)}: mend the link, or give the heading its old words"


@pytest.mark.parametrize("page", [page for page in PAGES if page not in OF_THE_PAST], ids=str)
def test_files_that_a_page_names_exist(page: Path) -> None:
    """Every path in code, such as `gateway/app.py` or `dashboard/pages/`, is there."""
    named = set(markdown.named_paths(page)) - AWAITED
    gone = sorted(path for path in named if not (ROOT / path).exists())
    assert not gone, f"{page} names {', '.join(gone)}: it moved or was renamed; name what there is now"


def test_what_is_awaited_is_not_there_yet() -> None:
    """So that the list becomes empty."""
    come = sorted(path for path in AWAITED if (ROOT / path).exists())
    assert not come, f"take {', '.join(come)} out of AWAITED"


def test_every_page_can_be_reached_from_the_readme() -> None:
    """A page that no link leads to is one that nobody reads."""
    reached, ahead = {Path("README.md")}, [Path("README.md")]
    while ahead:
        page = ahead.pop()
        found = set(markdown.linked_pages(page)) - reached
        reached |= found
        ahead += found
    left = sorted(str(page) for page in set(PAGES) - reached)
    assert not left, f"no page links to {', '.join(left)}: link to it from where it belongs"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of two pages."""
    monkeypatch.setattr(markdown, "ROOT", tmp_path)
    heading = "# A `code` heading, twice\n"
    (tmp_path / "b.md").write_text(f"{heading}{heading}```\n# none\n```\n", "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("[b](b.md) [b](b.md#a-code-heading-twice) [b](b.md#a-code-heading-twice-1)", []),
        ("[b](b.md#none)", ["b.md#none"]),
        ("[b](c.md)", ["c.md"]),
        ("# Here\n[here](#here) [there](#there)", ["#there"]),
        ("![picture](gone.png) `[no](link.md)` [elsewhere](https://example.com/x.md#y)", ["gone.png"]),
        ("```\n[no](link.md)\n```", []),
    ],
)
def test_broken_links_are_found(site: Path, text: str, broken: list[str]) -> None:
    """Files, pictures and anchors; not what stands in code, nor what is elsewhere."""
    (site / "a.md").write_text(text + "\n", "utf-8")
    assert markdown.broken(Path("a.md")) == broken


def test_paths_are_recognised(site: Path) -> None:
    """Those of folders of ours, with their alternatives; not code, settings or addresses."""
    paths = "`gateway/app.py` `telemetry/{a,b}.py` `Makefile`"
    others = "`gateway/api/<dialect>/` `engine.slots` `/v1/models` `make docs`"
    (site / "a.md").write_text(f"{paths} {others}\n", "utf-8")
    expected = ["gateway/app.py", "telemetry/a.py", "telemetry/b.py", "Makefile"]
    assert [*markdown.named_paths(Path("a.md"))] == expected
