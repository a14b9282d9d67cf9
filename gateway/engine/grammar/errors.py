"""What goes wrong with grammars.

GrammarError
├─ GrammarRefusedError   a constraint that cannot be compiled: the caller's doing, known before it is queued
└─ MatcherError          a grammar that outgrew its limits in the middle of an answer: ends that answer only
"""

from __future__ import annotations


class GrammarError(Exception):
    """Something about a grammar; never about the engine."""


class GrammarRefusedError(GrammarError):
    """A constraint that cannot be compiled. `words` are the library's own; `path` is the place in the schema
    as a JSON Pointer (RFC 6901; "" is the whole of it, or there is no schema); `keyword` names what of the
    schema is not supported ("" where it is not one keyword).
    """

    def __init__(self, words: str, *, path: str = "", keyword: str = "") -> None:
        self.words = words
        self.path = path
        self.keyword = keyword
        super().__init__(str(self))

    def __str__(self) -> str:
        named = f"{self.keyword}: " if self.keyword and self.keyword not in self.words else ""
        return f"{named}{self.words}" + (f" (at {self.path})" if self.path else "")


class MatcherError(GrammarError):
    """A matcher that cannot go on; the text is the library's."""
