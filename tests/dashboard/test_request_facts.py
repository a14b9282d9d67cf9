"""What the request page says of one request."""

from __future__ import annotations

import pytest

from dashboard.pages.request.facts import KERNELS, _drafted, _dropped
from tests.dashboard.samples import NOW, row


@pytest.mark.parametrize(
    ("prompt", "answer", "said"), [(200, 56, False), (200, 57, True), (2000, 5, True), (None, None, False)]
)
def test_drafting_says_where_it_may_change_an_answer(
    prompt: int | None, answer: int | None, said: bool
) -> None:
    """Where the chat became longer than what one kernel computes either way."""
    (fact,) = _drafted(
        row(NOW, prompt_tokens=prompt, completion_tokens=answer), {"draft": 9, "accepted": 5, "gain_ms": 12.0}
    )
    assert fact.value == "5 of 9"
    assert (KERNELS in fact.note) is said


def test_nothing_is_said_without_guesses() -> None:
    """Nor of turns that nobody left out."""
    assert _drafted(row(NOW), {}) == []
    assert _dropped({}) == []


@pytest.mark.parametrize(
    ("told", "note"), [({"dropped_tokens": 812}, "812 tokens:"), ({}, "uncounted tokens:")]
)
def test_turns_that_were_left_out(told: dict[str, int], note: str) -> None:
    """By number; of a chat that was far too long nobody counted the tokens."""
    (fact,) = _dropped({"dropped_messages": "0 1 2", **told})
    assert fact.value == "1, 2, 3"
    assert fact.note.startswith(note)
