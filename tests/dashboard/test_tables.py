"""Tables on pages are whole: every row has a cell for each column, in every kind of row."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

import pytest

from tests.dashboard.conftest import Pages
from tests.dashboard.samples import running_records
from tests.dashboard.test_pages import URLS


@dataclass(slots=True)
class Row:
    """A row: columns that its cells fill, words that a narrow screen shows; `heading`: no data."""

    columns: int = 0
    labels: list[str] = field(default_factory=list)
    heading: bool = True


class Tables(HTMLParser):
    """The rows of every table of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[list[Row]] = []
        self._reaching_down: list[tuple[int, int]] = []
        """Cells of rows above: how many rows further, and how many columns."""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "table":
            self.found.append([])
            self._reaching_down = []
        elif tag == "tr":
            self.found[-1].append(Row(sum(columns for _, columns in self._reaching_down)))
            self._reaching_down = [(rows - 1, columns) for rows, columns in self._reaching_down if rows > 1]
        elif tag in ("td", "th"):
            row, columns = self.found[-1][-1], int(given.get("colspan") or 1)
            row.columns += columns
            if (rows := int(given.get("rowspan") or 1)) > 1:
                self._reaching_down.append((rows - 1, columns))
            row.heading = row.heading and tag == "th"
            row.labels += [str(given["data-label"])] if "data-label" in given else []


@pytest.mark.parametrize("url", URLS)
def test_every_row_has_a_cell_for_each_column(busy: Pages, url: str) -> None:
    """Rows of requests that run among them."""
    running_records(busy.site.sink, busy.site.now_ns or 0)
    for rows in Tables(busy.get(url).text).found:
        columns, labels = {row.columns for row in rows}, rows[-1].labels
        assert len(columns) == 1, f"rows of {columns} columns in the table with {labels}: is a cell missing?"


def test_running_requests_have_the_columns_of_recorded_ones(busy: Pages) -> None:
    """The same words in the same order: the list shows both."""
    running_records(busy.site.sink, busy.site.now_ns or 0)
    (rows,) = Tables(busy.get("/requests").text).found
    labels = {tuple(row.labels) for row in rows if not row.heading}
    assert len(rows) > 3
    assert len(labels) == 1, f"_request_table.html: running and recorded requests have other cells: {labels}"


def test_a_missing_cell_is_found() -> None:
    """The parser counts what is there."""
    head = "<tr><th rowspan=2>a<th>b</tr><tr><th>c</tr>"
    (rows,) = Tables(f"<table>{head}<tr><td colspan=2></tr><tr><td data-label='a'></tr></table>").found
    assert [row.columns for row in rows] == [2, 2, 2, 1]
    assert [row.heading for row in rows] == [True, True, False, False]
    assert rows[3].labels == ["a"]
