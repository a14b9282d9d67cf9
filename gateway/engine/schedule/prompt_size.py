"""The size of a prompt, without tokenising all of one that cannot fit: that would hold up the prompts behind
it for seconds.
"""

from __future__ import annotations

from collections.abc import Callable

AFFORDABLE_CHARACTERS = 262_144
"""Prompts of so many are counted exactly, however small the context: it takes some 60 ms."""

CHARACTERS_PER_TOKEN = 8
"""A longer one, of more than so many characters for each token that fits, is looked at piece by piece: text
has 3 to 5.
"""

PIECE_CHARACTERS = 32_768
EDGE_TOKENS = 16
"""A piece may have so many tokens more than its characters have in the whole prompt, as it begins and ends
elsewhere.
"""


class RequestCancelledError(Exception):
    """Nobody waits for the request any more."""


class AtLeast(int):
    """Tokens of a prompt that was not counted to its end: it has so many, and more."""


def tokens_within(
    text: str,
    most: int,
    tokenize: Callable[[str], list[int]],
    proceed: Callable[[], None],
) -> list[int] | AtLeast:
    """The tokens of a prompt, or what is known of their number where it is far too long for `most` tokens.

    `proceed` is called before each piece.

    Raises:
        RequestCancelledError: `proceed` says so.
    """
    if len(text) > max(AFFORDABLE_CHARACTERS, CHARACTERS_PER_TOKEN * most):
        counted = 0
        for start in range(0, len(text), PIECE_CHARACTERS):
            proceed()
            counted += max(0, len(tokenize(text[start : start + PIECE_CHARACTERS])) - EDGE_TOKENS)
            if counted > most:
                return AtLeast(counted)
    proceed()
    return tokenize(text)
