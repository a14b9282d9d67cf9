"""Text that arrives in pieces, for readers that are generators: they yield where they need more to decide.

Whatever a reader asks of the tape is answered from the text alone, never from where a piece ended: so each
split of a text gives what the whole gives. `at` is where reading goes on, `given` up to where events were
given out.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from functools import cache
from typing import TypeVar

from gateway.chat.parsing.events import CutOff, Malformed

T = TypeVar("T")
Reading = Generator[None, None, T]
"""A reader: it yields when it needs more text, and returns what it found."""

_SPACE = re.compile(r"\s*")


class Marks:
    """Literal texts to look for, together."""

    def __init__(self, texts: Iterable[str]) -> None:
        longest_first = sorted({text for text in texts if text}, key=len, reverse=True)
        self.texts = tuple(longest_first)
        self._any = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        begun = "|".join(_begun(text) for text in longest_first if len(text) > 1)
        self._begun = re.compile(rf"(?:{begun})\Z" if begun else r"(?!)")
        self._reach = max(map(len, longest_first), default=1) - 1

    def search(self, text: str, at: int, *, ended: bool) -> tuple[re.Match[str] | None, int]:
        """The first of them from `at` on, and up to where there is surely none: a part of one may stand at
        the end.
        """
        found = self._any.search(text, at)
        if ended:
            return found, found.start() if found else len(text)
        begun = self._begun.search(text, max(at, len(text) - self._reach))
        sure = begun.start() if begun else len(text)
        return (found, found.start()) if found and found.start() < sure else (None, sure)


def _begun(text: str) -> str:
    """A pattern of the beginnings of a text, the longest first, the whole text not among them."""
    pattern = re.escape(text[-2])
    for char in reversed(text[:-2]):
        pattern = f"{re.escape(char)}(?:{pattern})?"
    return pattern


@cache
def marks(texts: tuple[str, ...]) -> Marks:
    """Those texts, compiled once."""
    return Marks(texts)


class Tape:
    """The text so far."""

    def __init__(self) -> None:
        self.text = ""
        self.at = 0
        self.given = 0
        self.ended = False

    def take(self) -> str:
        """The text between what was given out and where reading is; it is given out now."""
        source = self.text[self.given : self.at]
        self.given = self.at
        return source

    @property
    def is_over(self) -> bool:
        """Nothing follows."""
        return self.ended and self.at >= len(self.text)

    def need(self, count: int = 1) -> Reading[None]:
        """Wait for that many characters.

        Raises:
            CutOff: the text ends before.
        """
        while len(self.text) - self.at < count:
            if self.ended:
                raise CutOff
            yield

    def peek(self) -> Reading[str]:
        """The next character; raises CutOff if there is none."""
        yield from self.need()
        return self.text[self.at]

    def starts(self, literal: str) -> Reading[bool]:
        """Whether that text comes next."""
        while True:
            have = self.text[self.at : self.at + len(literal)]
            if len(have) == len(literal) or self.ended or not literal.startswith(have):
                return have == literal
            yield

    def first_of(self, literals: Iterable[str]) -> Reading[str]:
        """Which of these texts comes next, the first that does; empty if none does."""
        for literal in literals:
            if (yield from self.starts(literal)):
                return literal
        return ""

    def expect(self, literal: str) -> Reading[None]:
        """Move behind that text.

        Raises:
            Malformed: another comes next.
            CutOff: the text ends within it.
        """
        if not (yield from self.starts(literal)):
            if self.ended and literal.startswith(self.text[self.at :]):
                raise CutOff
            raise Malformed("format")
        self.at += len(literal)

    def skip(self, pattern: re.Pattern[str] = _SPACE) -> Reading[None]:
        """Move behind all that fits: white space, or the pattern's, which must fit nothing too."""
        while True:
            found = pattern.match(self.text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.text) or self.ended:
                return
            yield

    def find(self, looked_for: Marks) -> Reading[str]:
        """Move to the first of these marks, and say which it is; raises CutOff if there is none."""
        while True:
            found, self.at = looked_for.search(self.text, self.at, ended=self.ended)
            if found:
                return found[0]
            if self.ended:
                raise CutOff
            yield
