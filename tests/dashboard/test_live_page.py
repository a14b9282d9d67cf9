"""The live page: requests that run and engines that compute them, in one account."""

from __future__ import annotations

import re

import pytest

from tests.dashboard.conftest import Pages
from tests.dashboard.samples import running_records


def test_the_live_page_has_one_account_of_the_present(busy: Pages) -> None:
    """The engine's slots are the phases of the requests; a bar says how far each is, and how long it has
    run beside the longest.
    """
    first, second = running_records(busy.site.sink, busy.site.now_ns or 0)
    page = busy.get("/live").text
    assert 'aria-label="Slots: 1 decode, 1 prefill, 6 idle"' in page
    decoding, computing = (
        re.findall(rf'id="running-{made.seq}".*?</tr>', page, re.DOTALL)[0] for made in (first, second)
    )
    assert "512 of 1,204 prompt tokens" in computing
    for shown, tokens, whole, lasted in ((decoding, 71, 128, 1400), (computing, 512, 1204, 320)):
        assert [
            float(width) for width in re.findall(r'class="fill" width="([\d.]+)%', shown)
        ] == pytest.approx([tokens / whole * 100], abs=0.01)
        line = [
            float(width)
            for width in re.findall(r'class="bar phase-(?!stream)\w+" x="[\d.]+%" width="([\d.]+)%', shown)
        ]
        assert sum(line) == pytest.approx(lasted / 1400 * 100, abs=0.01)
