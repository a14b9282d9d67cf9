"""The Cache page: the ledger, and what the tiers hold."""

from __future__ import annotations

from tests.dashboard.conftest import Pages
from tests.dashboard.samples import ready_engine


def test_the_cache_page_shows_the_ledger_and_the_tiers(busy: Pages) -> None:
    """Reasons with tokens and prefill time, the dearest first, the share of the cache, and what the tiers
    hold.
    """
    page = busy.get("/cache").text
    assert page.index("history_edited") < page.index("appended") < page.index("full_hit")
    assert "shorten or rewrite old messages" in page
    for expected in (
        "88%",
        "8,800 of 10,000",
        "12 lookups",
        "1.20 s",
        "8.80 s",
        "2.0 GiB",
        "part of the KV cache",
    ):
        assert expected in page, expected


def test_the_cache_page_says_why_there_is_no_disk_tier(busy: Pages) -> None:
    """With the engine's reason as text and what to do; and nothing of it where the tier works."""
    assert "no disk tier" not in busy.get("/cache").text
    ready_engine(busy.site.sink, disk_off="No space left on device: /home/me/<cache>")
    page = busy.get("/cache").text
    assert "has no disk tier now" in page
    assert "No space left on device: /home/me/&lt;cache&gt;" in page
