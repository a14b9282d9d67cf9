"""Secrets in texts: what they look like, and texts without them.

Each pattern also matches a secret that was cut off after its
first characters, so that cutting a text never saves one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

LOOK_AHEAD_CHARS = 4096
"""Read behind the limit of a text, to recognise a secret that begins before it."""

_EMAIL_CHARS = r"\w.!#$%&'*+/=?^`{|}~-"
_KEYS = (
    r"sk-[\w-]{16}|[rsp]k_(?:live|test)_\w{10}|gh[pousr]_\w{16}|github_pat_\w{16}|glpat-[\w-]{16}"
    r"|xox[abeoprs]-[\w-]{10}|A(?:KIA|SIA)[0-9A-Z]{12}|AIza[\w-]{20}|(?:hf|npm)_\w{16}"
)
_NAMES_OF_SECRETS = r"(?:api|secret|access|private|auth)[_-]?(?:key|token)|client[_-]?secret|password|passwd"


_PASSWORD = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^:/@\s]*:)[^@\s]*(?=@)", re.IGNORECASE)


def without_passwords(text: str) -> str:
    """The password of every URL in a text becomes `***`."""
    return _PASSWORD.sub(r"\g<before>***", text)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A kind of secret; where none of `hints` is in the text
    (in lower case), the expression need not be tried.
    """

    kind: str
    hints: tuple[str, ...]
    expression: re.Pattern[str]


DEFAULT_PATTERNS = (
    Pattern(
        "private key",
        ("private key",),
        re.compile(
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?"
            r"(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
            re.DOTALL,
        ),
    ),
    Pattern("token", ("eyj",), re.compile(r"eyJ[\w-]{8,}(?:\.[\w-]*){0,4}")),
    Pattern(
        "token",
        ("bearer", "basic"),
        re.compile(
            r"\b(?:bearer|basic)\s+(?:(?=[\w.~+/=-]*[0-9])[\w.~+/=-]{8,}|[\w.~+/=-]{20,})", re.IGNORECASE
        ),
    ),
    Pattern(
        "key",
        ("sk-", "k_", "gh", "github_pat_", "glpat-", "xox", "akia", "asia", "aiza", "hf_", "npm_"),
        re.compile(rf"(?<![A-Za-z0-9])(?:{_KEYS})[\w-]*"),
    ),
    Pattern(
        "key",
        ("key", "token", "secret", "passw"),
        re.compile(
            rf"(?:{_NAMES_OF_SECRETS})[\"']?\s*[:=]\s*(?:\"[^\"\n]{{4,}}|'[^'\n]{{4,}}|[^\s\"',;]{{4,}})",
            re.IGNORECASE,
        ),
    ),
    Pattern("e-mail", ("@",), re.compile(rf"(?<![{_EMAIL_CHARS}])[{_EMAIL_CHARS}]++@[\w-]+(?:\.[\w-]+)+")),
)
"""API keys, tokens, assignments of secrets, e-mail addresses and private key blocks."""


class Redactor:
    """Takes out what matches the default patterns or one of `extra` (regular expressions).

    Raises:
        re.error: an expression is not valid.
    """

    def __init__(self, extra: Iterable[str] = ()) -> None:
        self._patterns: Sequence[Pattern] = (
            *DEFAULT_PATTERNS,
            *(Pattern("text", (), re.compile(text)) for text in extra),
        )

    def redact(self, text: str, limit: int) -> str:
        """The first `limit` characters, with `[redacted: kind]`
        in place of each secret that begins in them.
        """
        # no half of a surrogate pair
        seen = text[: limit + LOOK_AHEAD_CHARS].encode("utf-8", "replace").decode()
        parts, reached = [], 0
        for start, end, kind in self._secrets(seen):
            if start >= limit:
                break
            parts += [seen[reached:start], f"[redacted: {kind}]"]
            reached = end
        return "".join([*parts, seen[reached : max(reached, limit)]])

    def _secrets(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Places of secrets in order; those that overlap are one."""
        begin, end, kind = 0, 0, ""
        for place in sorted(self._matches(text)):
            if place[0] >= end:
                if end:
                    yield begin, end, kind
                begin, end, kind = place
            else:
                end = max(end, place[1])
        if end:
            yield begin, end, kind

    def _matches(self, text: str) -> Iterator[tuple[int, int, str]]:
        lower = text.lower()
        for pattern in self._patterns:
            if not pattern.hints or any(hint in lower for hint in pattern.hints):
                yield from (
                    (*match.span(), pattern.kind)
                    for match in pattern.expression.finditer(text)
                    if match.end() > match.start()
                )
