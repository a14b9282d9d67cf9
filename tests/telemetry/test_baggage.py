"""What is kept of W3C baggage."""

from __future__ import annotations

import pytest

from telemetry.tracing.baggage import MAX_HEADER_CHARS, MAX_VALUE_CHARS, allowed_members


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        (" a = x%2Cy ;p=1;q , b=2 , c=3", {"a": "x,y", "b": "2"}),
        ("a", {}),
        ("a=1,a=2", {"a": "2"}),
        (f"a={'x' * 1000}", {"a": "x" * MAX_VALUE_CHARS}),
        (f"a=1,z={'x' * MAX_HEADER_CHARS}", {}),
    ],
)
def test_only_allowed_members_are_kept(header: str, expected: dict[str, str]) -> None:
    """Decoded, bounded, without properties; a header beyond the W3C's limit is ignored."""
    assert allowed_members(header, {"a", "b"}) == expected


def test_nothing_is_kept_by_default() -> None:
    """No member is named, so none is kept."""
    assert allowed_members("a=1", ()) == {}
