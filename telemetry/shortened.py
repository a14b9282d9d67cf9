"""Names that clients give, in a limited length, so that two that differ stay two."""

from __future__ import annotations

import hashlib

MAX_CHARS = 128
"""Characters that are kept of a name; the column of conversation ids is as wide."""

DIGEST_CHARS = 32
"""Of them the hexadecimal digits that stand for a name that is not kept whole."""

MARK = "~"
"""Between the beginning of such a name and its digest."""


def shortened(name: str) -> str:
    """The name itself, or its beginning and a digest of all of it where it is too long, or has what no
    database takes (NUL, half of a surrogate pair).
    """
    plain = name.replace("\x00", "").encode("utf-8", "replace").decode()
    if plain == name and len(name) <= MAX_CHARS:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_CHARS]
    return f"{plain[: MAX_CHARS - DIGEST_CHARS - len(MARK)]}{MARK}{digest}"


def is_shortened(name: str) -> bool:
    """True where a stored name is the beginning and the digest of a longer one."""
    return len(name) == MAX_CHARS and name[-DIGEST_CHARS - len(MARK)] == MARK
