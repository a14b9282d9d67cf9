"""Text that knows which of its characters a client wrote, and goes on knowing it while a chat template works
on it.

A `Marked` text is a `str` that gives what `str` gives, so that no template can tell; beside that it carries
runs, which cutting, trimming, splitting, replacing and joining keep exact. What cannot be followed exactly
(JSON, formats, escaping) is one unsure run, which remembers what went into it. Whoever tokenises the prompt
asks for the runs (`gateway.engine.control_text`): a control token in a client's text is text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self, SupportsIndex

from jinja2.utils import Namespace
from markupsafe import Markup

ROLES = frozenset(("system", "developer", "user", "assistant", "tool", "function"))
"""Roles that are no client's words: templates make control tokens of them (`<|user|>`)."""


class Run(NamedTuple):
    """Characters `start` … `end` are a client's. With `sources` they are made of those texts of clients,
    and of others'.
    """

    start: int
    end: int
    sources: tuple[str, ...] = ()

    def clipped(self, start: int, end: int) -> Run:
        """The part of it within `start` … `end`, counted from `start`."""
        return Run(max(self.start, start) - start, min(self.end, end) - start, self.sources)


class Marked(str):
    """A text with the runs of it that clients wrote. Operations that are not here give plain texts: see
    `derived`.
    """

    __slots__ = ("_runs",)
    _runs: tuple[Run, ...]

    def __new__(cls, text: str, runs: Iterable[Run] = ()) -> Self:
        made = super().__new__(cls, text)
        made._runs = tuple(runs)
        return made

    def __str__(self) -> str:
        return self

    def __iter__(self) -> Iterator[str]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        plain = super().__getitem__(key)
        if not isinstance(key, slice):
            return self._part(range(len(self))[key], plain)
        start, _, step = key.indices(len(self))
        return self._part(start, plain) if step == 1 else unsure(plain, (self,))

    def __add__(self, other: str) -> str:
        return (
            concat((self, other))
            if type(other) in (str, Marked)
            else derived(super().__add__(other), (self, other))
        )

    def __radd__(self, other: str) -> str:
        return concat((other, self))

    def strip(self, chars: str | None = None) -> str:
        return self._part(len(self) - len(super().lstrip(chars)), super().strip(chars))

    def lstrip(self, chars: str | None = None) -> str:
        plain = super().lstrip(chars)
        return self._part(len(self) - len(plain), plain)

    def rstrip(self, chars: str | None = None) -> str:
        return self._part(0, super().rstrip(chars))

    def removeprefix(self, prefix: str) -> str:
        plain = super().removeprefix(prefix)
        return self._part(len(self) - len(plain), plain)

    def removesuffix(self, suffix: str) -> str:
        return self._part(0, super().removesuffix(suffix))

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        return self._parts(super().split(sep, maxsplit), sep)

    def rsplit(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        return self._parts(super().rsplit(sep, maxsplit), sep)

    def splitlines(self, keepends: bool = False) -> list[str]:
        whole = self._parts(super().splitlines(keepends=True), "")
        return [line[: len(plain)] for line, plain in zip(whole, super().splitlines(keepends), strict=True)]

    def partition(self, sep: str) -> tuple[str, str, str]:
        before, found, after = self._parts(super().partition(sep), "")
        return before, found, after

    def rpartition(self, sep: str) -> tuple[str, str, str]:
        before, found, after = self._parts(super().rpartition(sep), "")
        return before, found, after

    def replace(self, old: str, new: str, count: SupportsIndex = -1) -> str:
        if not old:
            made: str = derived(super().replace(old, new, count), (self, new))
            return made
        return Marked(new, runs_of(new)).join(self.split(old, count))

    def join(self, items: Iterable[str]) -> str:
        pieces: list[str] = []
        for item in items:
            pieces += (self, item) if pieces else (item,)
        if not all(isinstance(piece, str) for piece in pieces):
            return super().join(pieces)  # raises what `str` raises
        return concat(pieces)

    def upper(self) -> str:
        return self._changed(super().upper())

    def lower(self) -> str:
        return self._changed(super().lower())

    def title(self) -> str:
        return self._changed(super().title())

    def capitalize(self) -> str:
        return self._changed(super().capitalize())

    def swapcase(self) -> str:
        return self._changed(super().swapcase())

    def casefold(self) -> str:
        return self._changed(super().casefold())

    def _part(self, start: int, plain: str) -> str:
        """`plain` is what stands at `start`."""
        end = start + len(plain)
        runs = [run.clipped(start, end) for run in self._runs if run.start < end and run.end > start]
        return Marked(plain, runs) if runs else plain

    def _parts(self, plains: Sequence[str], gap: str | None) -> list[str]:
        """Parts in their order, with `gap` between them; None is white space."""
        parts, at = [], 0
        for plain in plains:
            at = at if gap is not None else self.find(plain, at)
            parts.append(self._part(at, plain))
            at += len(plain) + len(gap or "")
        return parts

    def _changed(self, plain: str) -> str:
        """Another letter for each, or not."""
        return Marked(plain, self._runs) if len(plain) == len(self) else unsure(plain, (self,))


class MarkedMarkup(Markup):
    """What Jinja's `safe` and `escape` make of a client's text: theirs as a whole, and so is what is made
    of it.
    """

    __slots__ = ()

    def __str__(self) -> str:
        return unsure(super().__str__(), (super().__str__(),))


def runs_of(text: str) -> tuple[Run, ...]:
    """The runs of a text that clients wrote; none of a plain one."""
    return text._runs if isinstance(text, Marked) else ()  # noqa: SLF001 - not an attribute that a template could read


def following(value: Any) -> Any:
    """A plain text, able to follow what clients wrote when it is given some by `join` or `replace`."""
    return Marked(value) if type(value) is str else value


def concat(pieces: Iterable[str]) -> str:
    """The texts one after the other, with their runs."""
    pieces = [str(piece) if isinstance(piece, MarkedMarkup) else piece for piece in pieces]
    whole = "".join(pieces)
    runs: list[Run] = []
    at = 0
    for piece in pieces:
        for start, end, sources in runs_of(piece):
            if runs and not sources and not runs[-1].sources and runs[-1].end == at + start:
                runs[-1] = Run(runs[-1].start, at + end)
            else:
                runs.append(Run(at + start, at + end, sources))
        at += len(piece)
    return Marked(whole, runs) if runs else whole


def unsure(plain: str, sources: Iterable[str]) -> str:
    """A text of which is only known what clients' texts are in it."""
    if not plain:
        return plain
    known = [
        former
        for source in sources
        for former in (source, *(text for run in runs_of(source) for text in run.sources))
    ]
    return Marked(plain, (Run(0, len(plain), tuple(dict.fromkeys(known))),))


def derived(result: Any, inputs: Sequence[Any]) -> Any:
    """A result of `inputs`: if it is a text that lost the runs that are somewhere in them, an unsure one."""
    if (
        not isinstance(result, str)
        or isinstance(result, Marked | MarkedMarkup)
        or all(type(value) is str for value in inputs)
    ):
        return result
    sources = tuple(marked_in(inputs))
    if not sources:
        return result
    return MarkedMarkup(result) if isinstance(result, Markup) else unsure(result, sources)


def marked_in(values: Iterable[Any]) -> Iterator[str]:
    """All texts of clients in some values and what they contain."""
    stack, seen = list(values), set[int]()
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            if runs_of(value) or isinstance(value, MarkedMarkup):
                yield value
        elif isinstance(value, Mapping | list | tuple | Namespace) and id(value) not in seen:
            seen.add(id(value))
            inner = (
                object.__getattribute__(value, "_Namespace__attrs") if isinstance(value, Namespace) else value
            )
            stack += [*inner.keys(), *inner.values()] if isinstance(inner, Mapping) else inner


def of_client(value: Any) -> Any:
    """A value of a request with all texts in it marked, keys too."""
    if isinstance(value, str):
        return Marked(value, (Run(0, len(value)),)) if value else value
    if isinstance(value, Mapping):
        return {of_client(key): of_client(inner) for key, inner in value.items()}
    return [of_client(inner) for inner in value] if isinstance(value, list | tuple) else value


def of_messages(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Messages of a request, marked but for the names of fields and known roles."""
    return [
        {name: value if _is_role(name, value) else of_client(value) for name, value in message.items()}
        for message in messages
    ]


def _is_role(name: str, value: object) -> bool:
    return name == "role" and isinstance(value, str) and value in ROLES
