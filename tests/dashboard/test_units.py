"""What pages show, and what they suggest, is told as on every other surface
(`tests/contracts/test_surfaces.py`).
"""

from __future__ import annotations

import re

from dashboard.catalog import PAGES
from telemetry.byte_sizes import UNITS
from tests.contracts.test_surfaces import OTHER_UNITS
from tests.dashboard.conftest import Pages


def test_bytes_have_one_unit(busy: Pages) -> None:
    """On every page, with data."""
    texts = [busy.get(page.path).text for page in PAGES if page.listed]
    assert any(f" {UNITS[2]}" in text for text in texts)
    assert [OTHER_UNITS.findall(re.sub(r"<[^>]*>", "", text)) for text in texts] == [[] for _ in texts]


def test_suggested_commands_are_greedy(pages: Pages) -> None:
    """The commands on pages that are still empty say temperature 0: a small model answers nonsense at 0.8."""
    texts = [pages.get(path).text for path in ("/", "/requests", "/conversations", "/playground")]
    assert all("temperature" in text for text in texts)
