"""Which tests need a real model, a browser, or a server from elsewhere: they have the mark `slow`, and
`make test-fast` leaves them out.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

SLOW_FIXTURES = frozenset(
    {
        "served",
        "served_empty",
        "launch",
        "browser",
        "scraped",
        "observed",
        "postgres_url",
        "own_postgres",
        "empty_postgres",
    }
    | {"demo_model", "demo_tokenizer", "demo_compiler"}
)
SLOW_FILES = (
    "test_real_stress.py",
    "test_real_sampling.py",
    "test_draft_model.py",
    "test_embedding_engine.py",
    "test_seeds.py",
    "test_control_tokens.py",
    "test_constrained_real.py",
)
"""These load a model by themselves."""

SLOW_FOLDERS = ("tests/e2e/", "tests/browser/")


def mark_slow(items: Iterable[pytest.Item]) -> None:
    """Give each slow test its mark."""
    for item in items:
        if _is_slow(item):
            item.add_marker(pytest.mark.slow)


def _is_slow(item: pytest.Item) -> bool:
    if SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ())):
        return True
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    by_place = item.path.name in SLOW_FILES or item.nodeid.startswith(SLOW_FOLDERS)
    return by_place or parameters.get("url") == "postgresql"
