"""The table of pages in docs/dashboard.md: `python -m dashboard.docs docs/dashboard.md` writes it again."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from dashboard.catalog import PAGES
from dashboard.page import Page

BEGIN, END = "<!-- pages: begin -->\n", "<!-- pages: end -->\n"
"""The lines between which the table stands."""


def table(pages: Iterable[Page]) -> str:
    """The pages as a Markdown table, in the order of the menu."""
    rows = [f"| {page.title} (`{page.url}`) | {page.about} |\n" for page in pages]
    return "".join(["| page | what it shows |\n", "| --- | --- |\n", *rows])


def with_table(text: str, pages: Iterable[Page]) -> str:
    """A document with the table of these pages in place of the one that it has.

    Raises:
        ValueError: the document does not have both marks.
    """
    before, found, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise ValueError(f"{BEGIN.strip()} and {END.strip()} have to be there, in this order")
    return f"{before}{BEGIN}\n{table(pages)}\n{END}{after}"


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(with_table(document.read_text("utf-8"), PAGES), "utf-8")
