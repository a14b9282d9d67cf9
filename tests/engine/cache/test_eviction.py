"""What is evicted first: bytes against seconds of prefill saved."""

from __future__ import annotations

import pytest

from gateway.engine.cache.entry import Entry, Origin
from gateway.engine.cache.eviction import value
from tests.engine.cache.caches import prompt

S = 10**9
BACKGROUND = Origin(background=True)


def worth(entry: Entry, own_tokens: int = 100, size_bytes: int = 1000) -> tuple[bool, bool, float]:
    """What it is worth after a minute."""
    return value(entry, own_tokens, size_bytes, 60 * S)


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (worth(Entry(prompt(1)), own_tokens=10), worth(Entry(prompt(1)), own_tokens=20)),
        (worth(Entry(prompt(1)), size_bytes=2000), worth(Entry(prompt(1)), size_bytes=1000)),
        (worth(Entry(prompt(1), used_ns=0)), worth(Entry(prompt(1), used_ns=30 * S))),
        (worth(Entry(prompt(1), uses=0)), worth(Entry(prompt(1), uses=1))),
        (worth(Entry(prompt(1), origin=BACKGROUND), own_tokens=900), worth(Entry(prompt(1)), own_tokens=1)),
        (worth(Entry(prompt(1)), own_tokens=900), worth(Entry(prompt(1), pinned=True), own_tokens=0)),
    ],
    ids=["prefill saved", "bytes", "age", "uses", "background", "pinned"],
)
def test_the_order(less: tuple[bool, bool, float], more: tuple[bool, bool, float]) -> None:
    """Each alone decides; pins and background before all figures."""
    assert less < more


def test_a_state_without_bytes_has_a_worth_all_the_same() -> None:
    """And one that is used in the future of a clock read earlier is as good as new."""
    assert worth(Entry(prompt(1)), size_bytes=0) > worth(Entry(prompt(1)), size_bytes=2)
    assert worth(Entry(prompt(1), used_ns=61 * S)) == worth(Entry(prompt(1), used_ns=60 * S))
