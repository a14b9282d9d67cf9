"""The cursors of lists, from their addresses."""

from __future__ import annotations

from litestar.exceptions import ClientException

from telemetry.store.queries.requests import Cursor
from telemetry.store.seq import MAX_SEQ

MAX_DIGITS = 19
"""Digits of a cursor: Python refuses to read numbers of thousands."""


def chosen_cursor(before: str, after: str) -> Cursor:
    """The cursor of a list's `before=` and `after=`; '' for the newest page.

    Raises:
        ClientException: one of them is no cursor.
    """
    return Cursor(chosen_seq("before", before), chosen_seq("after", after))


def chosen_seq(name: str, value: str) -> int | None:
    """The `seq` that a parameter names; None where it is not given.

    Raises:
        ClientException: it is no number that a `seq` can be.
    """
    if not value:
        return None
    is_number = value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS
    if not is_number or int(value) > MAX_SEQ:
        raise ClientException(f"{name}={value[:50]!r} is not a cursor of this list.")
    return int(value)
