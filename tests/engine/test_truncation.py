"""Leaving out the oldest turns: as few as needed, whole ones, never the system message or the question."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.engine.schedule.truncation import FILL, oldest_turns, room, truncate, without


def chat(sizes: list[int], *, system: bool = True) -> list[dict[str, Any]]:
    """A chat of question and answer, each of some tokens (a letter is a token), that ends with a question."""
    messages = [{"role": "system", "content": "s" * 5}] if system else []
    for index, size in enumerate(sizes):
        messages.append({"role": "assistant" if index % 2 else "user", "content": "x" * size})
    return messages if messages[-1]["role"] == "user" else [*messages, {"role": "user", "content": "?"}]


def measure(messages: Any) -> int:
    return sum(len(message["content"]) for message in messages)


def test_turns_are_a_question_and_its_answers() -> None:
    """The last turn and the system message are not among those that may go."""
    assert oldest_turns(chat([1, 1, 1, 1, 1])) == [[1, 2], [3, 4]]
    assert oldest_turns(chat([1])) == []


def test_question_that_does_not_fit_alone() -> None:
    """Nothing helps a last turn that is too long."""
    assert truncate(chat([10, 10, 200]), 225, 100, measure) is None


@given(st.lists(st.integers(1, 60), min_size=1, max_size=30), st.integers(20, 400), st.booleans())
def test_as_few_turns_as_needed(sizes: list[int], most: int, system: bool) -> None:
    """What remains fits; with one turn more it would not keep to the fill; asked at most logarithmically
    often.
    """
    messages, asked = chat(sizes, system=system), []
    assume(measure(messages) > most)

    def counted(fewer: Any) -> int:
        asked.append(1)
        return measure(fewer)

    turns = oldest_turns(messages)
    found = truncate(messages, measure(messages), most, counted)
    assert len(asked) <= 2 + math.ceil(math.log2(len(turns) + 1))
    if found is None:
        assert not turns or measure(without(messages, [index for turn in turns for index in turn])) > most
        return
    dropped, left = found
    kept = without(messages, dropped)
    assert measure(kept) == left <= most
    assert kept[-1] is messages[-1]
    assert all(messages[index]["role"] != "system" for index in dropped)
    assert dropped == [
        index
        for turn in turns[: sum(messages[index]["role"] == "user" for index in dropped)]
        for index in turn
    ]
    one_less = without(
        messages,
        [
            index
            for turn in turns[: len([i for i in dropped if messages[i]["role"] == "user"]) - 1]
            for index in turn
        ],
    )
    assert measure(one_less) > int(most * FILL)


def test_room_leaves_half_the_context() -> None:
    """However much a request wants to write."""
    assert (room(1000, 100), room(1000, None), room(1000, 5000)) == (900, 744, 500)
