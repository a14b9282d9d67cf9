"""Windows of time that statistics cover, and what their rows are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_SPAN = re.compile(r"(?P<number>[1-9]\d{0,5})(?P<unit>[mhdw])")
_MINUTES = {"m": 1, "h": 60, "d": 24 * 60, "w": 7 * 24 * 60}
MAX_MINUTES = 100 * 366 * 24 * 60
"""A hundred years: as good as all time, and no time before it is out of the calendar."""

_WORDS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class By(StrEnum):
    """The grouping of a report's rows, besides their model."""

    CONTEXT = "context"
    CONFIG = "config"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Window:
    """A window of time that ends now:  `minutes` long, or since the first request (None)."""

    key: str
    label: str
    minutes: int | None


WINDOWS = {
    window.key: window
    for window in (
        Window("15m", "15 minutes", 15),
        Window("1h", "hour", 60),
        Window("24h", "24 hours", 24 * 60),
        Window("7d", "7 days", 7 * 24 * 60),
        Window("all", "all time", None),
    )
}


def window_of(text: str) -> Window:
    """The window that a text names: `90m`, `36h`, `7d`, `2w`, or `all`.

    Raises:
        ValueError: the text names none; the message says what would.
    """
    if text in WINDOWS:
        return WINDOWS[text]
    try:
        minutes = minutes_of(text)
    except ValueError as error:
        raise ValueError(f"{error} or all") from None
    return Window(
        text,
        f"{text[:-1]} {_WORDS[text[-1]]}" if text[:-1] != "1" else _WORDS[text[-1]].removesuffix("s"),
        minutes,
    )


def minutes_of(text: str) -> int:
    """The minutes of `90m`, `36h`, `7d` or `2w`.

    Raises:
        ValueError: the text is none of these, or longer than a hundred years; the message says what would do.
    """
    found = _SPAN.fullmatch(text)
    minutes = int(found["number"]) * _MINUTES[found["unit"]] if found else 0
    if not 0 < minutes <= MAX_MINUTES:
        raise ValueError(f"{text!r} is no stretch of time: write e.g. 90m, 36h, 7d, 2w")
    return minutes
