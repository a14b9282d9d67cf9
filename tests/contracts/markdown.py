"""Markdown pages of ours: their headings, links, and the paths in this repository that they name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from tests.contracts.sources import FOLDERS, ROOT, own_files

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^\s*```.*?^\s*```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")
IN_OURS = rf"(?:{'|'.join(FOLDERS)})/[\w./-]*"
PATH = re.compile(rf"{IN_OURS}|[A-Z]+\.md|pyproject\.toml|Makefile|Dockerfile|\.ci/\w+")


def pages() -> tuple[Path, ...]:
    """Every page, as paths from the root."""
    return (*sorted(path.relative_to(ROOT) for path in ROOT.glob("*.md")), *own_files(".md"))


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))


def code_of(page: Path) -> list[str]:
    """Code of a page, in blocks and in lines of prose."""
    return [*FENCE.findall((ROOT / page).read_text(encoding="utf-8")), *CODE.findall(prose(page))]


def anchors(page: Path) -> frozenset[str]:
    """What a `#…` may name in a page: its headings, as GitHub turns them into ids."""
    seen: Counter[str] = Counter()
    found: list[str] = []
    for heading in HEADING.findall(prose(page)):
        slug = _slug(heading)
        found.append(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return frozenset(found)


def _slug(heading: str) -> str:
    """Lower case, without punctuation, with hyphens for spaces."""
    shown = LINK.sub(lambda link: link.group(0)[1:].partition("]")[0], heading)
    return re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")


def links(page: Path) -> Iterator[str]:
    """Targets of a page's links and pictures that are in this repository."""
    return (target for target in LINK.findall(CODE.sub("", prose(page))) if not re.match(r"\w+:", target))


def linked_pages(page: Path) -> Iterator[Path]:
    """Pages that a page links to, as paths from the root."""
    for target in links(page):
        place = (ROOT / page).parent / target.partition("#")[0]
        if place.suffix == ".md" and place.exists():
            yield place.resolve().relative_to(ROOT)


def broken(page: Path) -> list[str]:
    """Links of a page whose file is not there, or whose anchor is no heading of it."""
    return [target for target in links(page) if not _leads_somewhere(page, target)]


def _leads_somewhere(page: Path, target: str) -> bool:
    name, _, anchor = target.partition("#")
    place = (ROOT / page).parent / name if name else ROOT / page
    if not place.exists():
        return False
    return not anchor or anchor in anchors(place.resolve().relative_to(ROOT))


def named_paths(page: Path) -> Iterator[str]:
    """Files and folders that a page names in code, as paths from the root; `a/{b,c}.py` names two."""
    for code in CODE.findall(prose(page)):
        yield from (path for path in spelled_out(code) if PATH.fullmatch(path))


def spelled_out(path: str) -> Iterable[str]:
    """Each alternative of a path with braces."""
    braces = BRACES.search(path)
    if braces is None:
        return [path]
    before, after = path[: braces.start()], path[braces.end() :]
    parts = (spelled_out(f"{before}{one.strip()}{after}") for one in braces.group(1).split(","))
    return [*chain.from_iterable(parts)]
