"""Names that are too long to be kept: their beginning and a digest, and never the same for two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.shortened import MAX_CHARS, is_shortened, shortened


@given(
    st.text(max_size=MAX_CHARS, alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)
def test_a_name_that_fits_is_itself(name: str) -> None:
    """Nothing is done to it."""
    assert shortened(name) == name


@pytest.mark.parametrize("name", ["x" * 129, "é" * 500, "a\0", "a\ud800", "\0" * 200])
def test_any_other_is_told_apart(name: str) -> None:
    """Storable, at most as long as the column, itself when it is shortened again, and another than its
    neighbours.
    """
    short = shortened(name)
    assert len(short.encode().decode()) <= MAX_CHARS
    assert "\0" not in short
    assert shortened(short) == short
    assert short not in {shortened(name + "x"), shortened(name[:-1] + "y"), name.replace("\0", "")}


def test_a_long_name_is_known_as_shortened() -> None:
    """By its form; the beginning stays readable."""
    assert shortened("chat-" + "x" * 200).startswith("chat-xxx")
    assert is_shortened(shortened("x" * 129))
    assert not is_shortened("x" * 128)
