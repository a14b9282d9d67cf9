"""`Accept` headers (RFC 9110, 12.5.1): which media types a
client takes, and which it rules out with `q=0`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_Q = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One entry of the header: `media_type` in lower case, possibly `text/*` or `*/*`; `q` from 0 (never) to
    1.
    """

    media_type: str
    parameters: dict[str, str]
    q: float

    def covers(self, media_type: str) -> bool:
        """True where the type is in this range."""
        return self.media_type in (media_type, f"{media_type.partition('/')[0]}/*", "*/*")


def media_ranges(accept: str) -> list[MediaRange]:
    """The header's entries; what is no entry is left out."""
    return [found for part in accept.split(",") if (found := _media_range(part)) is not None]


def quality(accept: str, media_type: str) -> float | None:
    """The q of the most specific range that covers a type, None where none does."""
    covering = [found for found in media_ranges(accept) if found.covers(media_type)]
    return max(covering, key=lambda found: (-found.media_type.count("*"), found.q)).q if covering else None


def names(accept: str, media_type: str) -> bool:
    """True where a type itself, not only a range with `*`, is asked for and not ruled out."""
    return any(found.media_type == media_type and found.q > 0 for found in media_ranges(accept))


def _media_range(part: str) -> MediaRange | None:
    media_type, *rest = (piece.strip() for piece in part.split(";"))
    if media_type.count("/") != 1:
        return None
    pairs = (piece.partition("=") for piece in rest)
    parameters = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
    q = parameters.pop("q", "1")
    return MediaRange(media_type.lower(), parameters, float(q) if _Q.fullmatch(q) else 1.0)
