"""Tokens to text: no broken characters, no leaked stop strings, whatever the cuts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.text import TextAssembler


@given(st.text(), st.data())
def test_any_cut_of_utf8_gives_the_same_text(text: str, data: st.DataObject) -> None:
    """However bytes are cut into pieces, the text is whole, and no piece shows half a character."""
    raw = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=10)))
    pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assembler = TextAssembler()
    shown = [assembler.push(piece) for piece in pieces]
    assert "".join(shown) + assembler.finish() == text
    assert all("\ufffd" not in part for part in shown if "\ufffd" not in text)


@given(
    st.text(alphabet="abc", max_size=40),
    st.lists(st.text(alphabet="abc", min_size=1, max_size=4), min_size=1, max_size=3),
    st.integers(1, 5),
)
def test_stop_strings_cut_where_a_search_would(text: str, stops: list[str], size: int) -> None:
    """The text shown ends before the first stop string of the whole text, and nothing of it was shown
    before.
    """
    assembler, shown = TextAssembler(stops), ""
    for start in range(0, len(text), size):
        shown += assembler.push(text[start : start + size].encode())
        if assembler.stopped:
            break
    shown += assembler.finish()
    assert not any(stop in shown for stop in stops)
    assert text.startswith(shown)
    if not any(stop in text for stop in stops):
        assert shown == text
    else:
        assert assembler.stopped


def test_unfinished_character_becomes_a_replacement() -> None:
    """Bytes that end in the middle of a character give U+FFFD, at the end only."""
    assembler = TextAssembler()
    assert assembler.push("é".encode()[:1]) == ""
    assert assembler.finish() == "\ufffd"


def test_a_stop_string_may_be_kept() -> None:
    """It ends the text all the same, also where it came in pieces."""
    for pieces in (["one STOP two"], ["one S", "TO", "P two"]):
        assembler = TextAssembler(["STOP", "TOP"], keep_stop=True)
        assert "".join(assembler.push(piece.encode()) for piece in pieces) + assembler.finish() == "one STOP"
        assert assembler.stopped
        assert assembler.shown == len("one STOP")
