"""What stands on a page of the dashboard: its cards and tables, as text."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import httpx

from tests.e2e.serving import Served


class Figures(HTMLParser):
    """The cards of a page: `aria-label` of the section → term (or class) → text, whole numbers from their
    `title`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cards: dict[str, dict[str, str]] = {}
        self._card = self._term = self._tag = self._title = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._tag, self._title = tag, given.get("title", "")
        if tag == "section":
            self._card = given.get("aria-label", "")
        elif tag == "p":
            self._term = given.get("class", "")

    def handle_data(self, data: str) -> None:
        if not self._card or not data.strip():
            return
        if self._tag == "dt":
            self._term = data.strip()
        elif self._tag in ("dd", "p", "span"):
            card = self.cards.setdefault(self._card, {})
            card[self._term] = f"{card.get(self._term, '')} {self._title or data.strip()}".strip()

    def handle_endtag(self, tag: str) -> None:
        if tag == "section":
            self._card = ""


def page(served: Served, path: str, **params: str) -> str:
    """The HTML of `/dashboard` + path."""
    found = httpx.get(f"{served.base_url}/dashboard{path}", params=params)
    assert found.status_code == 200
    return found.text


def cards(text: str) -> dict[str, dict[str, str]]:
    """The cards of a page."""
    figures = Figures()
    figures.feed(text)
    return figures.cards


def part(text: str, begin: str, end: str) -> str:
    """From one mark to the next other one."""
    _, found, rest = text.partition(begin)
    assert found, f"no {begin} on the page"
    return rest.partition(end)[0]


def rows(table: str) -> list[list[str]]:
    """The text of each cell of a table's body, row by row."""
    lines = re.findall(r"<tr[^>]*>(.*?)</tr>", part(table, "<tbody", "</tbody>"), re.DOTALL)
    return [
        [plain(cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", line, re.DOTALL)] for line in lines
    ]


def plain(fragment: str) -> str:
    """HTML as text, with single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", fragment)).split())
