"""What one rendering may allocate: a budget of bytes built, and the size of a result before it is made.

Python's text and list operations run in C without a pause, where no time limit reaches them: so their size is
worked out first. The budget counts everything built, kept or not: what is kept can never be more.
"""

from __future__ import annotations

import re
import threading
from collections.abc import ItemsView, Iterable, KeysView, Mapping, ValuesView
from itertools import chain
from string import Formatter
from typing import Any

from jinja2.utils import Namespace

MAX_BUILT_BYTES = 256_000_000
"""Of all values that one rendering builds, together."""

MAX_TEXT_BYTES = 64_000_000
"""Of one text."""

MAX_WIDTH = 10_000
"""Largest width, precision, indent or count in a format or a filter."""

MAX_INT_BITS = 4096
OBJECT_BYTES = 64
ITEM_BYTES = 16

_LONG_NUMBER = re.compile(r"\d{5}")


class TemplateError(ValueError):
    """The template cannot render these messages; the text says why and is meant for the caller."""


class Allowance(threading.local):
    """The budget of the rendering on this thread."""

    def __init__(self) -> None:
        self._built = 0

    def renew(self) -> None:
        """A new rendering begins."""
        self._built = 0

    def text(self, size_bytes: int) -> None:
        """A text of this size is about to be built."""
        if size_bytes > MAX_TEXT_BYTES:
            raise TemplateError("the chat template builds a value that is too large")
        self.built(size_bytes)

    def built(self, size_bytes: int) -> None:
        """Something is built.

        Raises:
            TemplateError: it is too much.
        """
        self._built += size_bytes + OBJECT_BYTES
        if self._built > MAX_BUILT_BYTES:
            raise TemplateError("the chat template builds more than is allowed")

    def result(self, value: Any) -> Any:
        """Count a value that was just built, and return it."""
        if isinstance(value, str):
            self.text(width(value))
        elif isinstance(value, list | tuple | set | dict):
            self.built(len(value) * ITEM_BYTES)
        return value

    def listed(self, values: Iterable[Any]) -> list[Any]:
        """All of an iterable, counted while it is read."""
        if isinstance(values, list):
            return values
        listed = []
        for value in values:
            self.built(ITEM_BYTES)
            listed.append(value)
        return listed

    def as_text(self, value: Any) -> int:
        """Bytes of `str(value)` at most, worked out without building it; shared parts count each time, as
        they are printed.
        """
        total, stack = 0, [value]
        while stack:
            part = stack.pop()
            total += OBJECT_BYTES if not isinstance(part, str) else width(part) + 4
            if isinstance(part, Mapping):
                stack.extend(chain.from_iterable(part.items()))
            elif isinstance(part, list | tuple | set | frozenset | KeysView | ValuesView | ItemsView):
                stack.extend(part)
            elif isinstance(part, Namespace):
                # its repr shows them, and it gives no other way
                stack.append(object.__getattribute__(part, "_Namespace__attrs"))
            if total > MAX_TEXT_BYTES or len(stack) > MAX_TEXT_BYTES // 8:
                raise TemplateError("the chat template builds a value that is too large")
        return total

    def printed(self, value: Any) -> Any:
        """Count a value that is about to become text, and return it."""
        if isinstance(value, str):
            self.text(width(value))
        elif not isinstance(value, int | float | None):
            self.text(self.as_text(value))
        return value


class BoundedFormatter(Formatter):
    """`str.format` that counts each field before the next one, and refuses long widths."""

    def __init__(self, allowance: Allowance, lookup: Formatter) -> None:
        self._allowance = allowance
        self._lookup = lookup

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        """As the sandbox finds it."""
        return self._lookup.get_field(field_name, args, kwargs)

    def convert_field(self, value: Any, conversion: Any) -> Any:
        """`!r` and `!s` of something large are counted first."""
        self._allowance.printed(value)
        return super().convert_field(value, conversion)

    def format_field(self, value: Any, format_spec: str) -> str:
        """One field, at most `MAX_WIDTH` wide."""
        short(format_spec)
        self._allowance.printed(value)
        return str(super().format_field(value, format_spec))


def width(text: str) -> int:
    """Bytes of a text in memory, at most."""
    return len(text) if text.isascii() else 4 * len(text)


def short(spec: str) -> None:
    """Refuse a format that asks for a long width, or takes it from its arguments.

    Raises:
        TemplateError: it does.
    """
    if _LONG_NUMBER.search(spec) or "*" in spec:
        raise TemplateError("the chat template formats with a width that is too large")


def narrow(*numbers: Any) -> None:
    """Refuse a count, width or indent that is too large.

    Raises:
        TemplateError: one is.
    """
    if any(isinstance(number, int | float) and abs(number) > MAX_WIDTH for number in numbers):
        raise TemplateError("the chat template asks for a width or a count that is too large")


def check_numbers(operator: str, left: float, right: float) -> None:
    """Refuse integers so long that one operation would take long."""
    bits = [number.bit_length() if isinstance(number, int) else 64 for number in (left, right)]
    if max(bits) > MAX_INT_BITS or (operator == "**" and bits[0] * abs(right) > MAX_INT_BITS):
        raise TemplateError("the chat template computes with numbers that are too large")
