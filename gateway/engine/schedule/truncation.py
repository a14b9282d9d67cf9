"""Making a long chat fit its context: whole oldest turns go, never silently (`truncate: "auto"`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import msgspec

FILL = 0.75
"""A chat that must lose turns is cut down to this part of the context, so that the next turns keep the same
cut, and with it what the prefix cache has of them.
"""

DEFAULT_RESERVE = 256
"""Tokens kept free for the answer where the request does not say how many it may have."""

Messages = Sequence[dict[str, Any]]


class Truncation(msgspec.Struct, frozen=True):
    """The part of a chat that was left out: indexes of messages, and the tokens that the prompt had more than
    it has now (None: not counted, it was far too long).
    """

    dropped_messages: list[int]
    dropped_tokens: int | None


def room(n_ctx: int, max_tokens: int | None) -> int:
    """The most prompt tokens that leave space for the answer: at least half of the context."""
    return max(n_ctx // 2, n_ctx - (max_tokens or DEFAULT_RESERVE))


def truncate(
    messages: Messages,
    size: int | None,
    most: int,
    measure: Callable[[Messages], int],
) -> tuple[list[int], int] | None:
    """Leave out as few oldest turns as make the prompt at most `FILL` of `most` tokens.

    `size` are the tokens of all messages (None: not counted), `measure` counts those of fewer, or says any
    number above `most`; it is asked O(log turns) times. Returns the messages left out and the tokens that
    remain, or None if even the last turn alone is more than `most`.
    """
    turns = oldest_turns(messages)
    if not turns:
        return None
    fewest, found = _search(messages, turns, int(most * FILL), measure)
    if found is None or found > most:
        return None
    dropped = list(chain.from_iterable(turns[:fewest]))
    return (dropped, found) if dropped and (size is None or found < size) else None


def without(messages: Messages, dropped: Iterable[int]) -> list[dict[str, Any]]:
    """The messages that stay."""
    gone = set(dropped)
    return [message for index, message in enumerate(messages) if index not in gone]


def oldest_turns(messages: Messages) -> list[list[int]]:
    """Indexes of the turns that may go, oldest first: all but the last one and the system messages."""
    turns: list[list[int]] = []
    for index, message in enumerate(messages):
        if message["role"] == "system":
            continue
        if message["role"] == "user" or not turns:
            turns.append([])
        turns[-1].append(index)
    return turns[:-1]


def _search(
    messages: Messages,
    turns: list[list[int]],
    most: int,
    measure: Callable[[Messages], int],
) -> tuple[int, int | None]:
    """The smallest number of turns to leave out so that at most `most` tokens remain; all of them if none is
    enough.
    """
    low, high = 1, len(turns)
    sizes: dict[int, int] = {}
    while low < high:
        middle = (low + high) // 2
        sizes[middle] = measure(without(messages, chain.from_iterable(turns[:middle])))
        low, high = (low, middle) if sizes[middle] <= most else (middle + 1, high)
    if low not in sizes:
        sizes[low] = measure(without(messages, chain.from_iterable(turns[:low])))
    return low, sizes[low]
