"""Headers that grow with a request stay within what proxies take."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.api.openai.figures import MAX_HEADER_CHARS, told_indexes


def read(told: str) -> list[int]:
    """The indexes that a header names."""
    found: list[int] = []
    for piece in told.removesuffix("...").split(","):
        first, _, last = piece.partition("-")
        found += range(int(first), int(last or first) + 1) if piece else []
    return found


@given(st.lists(st.integers(0, 100_000), unique=True, min_size=1).map(sorted))
def test_any_indexes_are_told(indexes: list[int]) -> None:
    """All of them, or a beginning that says that it is one."""
    told = told_indexes(indexes)
    assert len(told) <= MAX_HEADER_CHARS + len("...")
    assert read(told) == (indexes[: len(read(told))] if told.endswith("...") else indexes)


def test_a_long_chat_is_told_as_ranges() -> None:
    """Four thousand messages in a row, and three thousand with a gap behind each."""
    assert told_indexes([1, 2, 5]) == "1,2,5"
    assert told_indexes([1, *range(3, 4000)]) == "1,3-3999"
    assert told_indexes(range(0, 6000, 2)).endswith(",...")
