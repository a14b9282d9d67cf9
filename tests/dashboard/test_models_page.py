"""The Models page: configurations, their speed, what changed it, and what KV types cost."""

from __future__ import annotations

import re

import pytest

from tests.dashboard.conftest import Pages
from tests.dashboard.samples import MODEL

BLOCK_BYTES = {"f16": 2 * 32, "q8_0": 2 + 32, "q4_0": 2 + 16}
"""Of 32 values: `ggml-common.h`, a scale of two bytes and the quantised values."""


def test_models_say_what_kv_types_cost(busy: Pages) -> None:
    """Each type has a row; its memory is what the format takes, a smaller one agrees less often and
    diverges more.
    """
    page = busy.get("/models").text
    table = page[page.index('id="kv_quality"') :]
    rows = [
        re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row)
        for row in re.findall(r"<tr>(.*?)</tr>", table[: table.index("</table>")])[1:]
    ]
    found = {
        kind: (float(memory[:-1]), float(same[:-1]), float(divergence.split()[0]))
        for kind, memory, same, divergence in rows
    }
    assert list(found) == list(BLOCK_BYTES)
    for kind, (memory, _, _) in found.items():
        assert memory == pytest.approx(100 * BLOCK_BYTES[kind] / BLOCK_BYTES["f16"], abs=0.5)
    assert found["f16"][1:] == (100, 0)
    agreement, divergence = [same for _, same, _ in found.values()], [nat for _, _, nat in found.values()]
    assert agreement == sorted(agreement, reverse=True)
    assert divergence == sorted(divergence)


def test_models_show_changes_of_speed(busy: Pages) -> None:
    """What became slower, from which configuration to which, and what changed between them."""
    page = busy.get("/models").text
    assert "slower by 19%" in page
    assert "threads, decode 4 → 2" in page
    assert "p = 3e-09" in page


def test_models_show_configuration_and_speed_by_context(busy: Pages) -> None:
    """Each model has its effective configuration, a line per context bucket, and a cell in the heat maps."""
    page = busy.get("/models").text
    for expected in (MODEL, "SmolLM2-135M-Instruct.Q4_1.gguf", "4k-8k", "heat-5", "8,192", "c0ffee123456"):
        assert expected in page
