"""W3C baggage: what a caller sends along with a trace. Nothing
of it is kept but the members that a setting names.

Source: https://www.w3.org/TR/baggage/ . Whoever reaches the API
chooses these texts, so they are bounded, and no metric has them.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import unquote

MAX_HEADER_CHARS = 8192
"""The W3C's limit; a longer header is ignored as a whole."""

MAX_VALUE_CHARS = 256


def allowed_members(header: str, allowed: Collection[str]) -> dict[str, str]:
    """The members that may be kept, decoded and cut to `MAX_VALUE_CHARS`;
    properties (`;…`) and what is malformed are left out.
    """
    if not allowed or len(header) > MAX_HEADER_CHARS:
        return {}
    pairs = (member.partition(";")[0].partition("=") for member in header.split(","))
    return {
        key.strip(): unquote(value.strip())[:MAX_VALUE_CHARS]
        for key, equals, value in pairs
        if equals and key.strip() in allowed
    }
