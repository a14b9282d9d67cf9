"""The seam between the HTTP surface and an API that clients speak: a folder here per API, with one `Dialect`
that says it all.

A dialect turns bodies into work (`gateway.serving.work`), and what comes back into its own words. It knows no
engine, and what measures, admits and cancels requests knows no dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import msgspec

from gateway.errors import ApiError
from gateway.serving.choices import choices_of
from gateway.serving.handle import Description
from gateway.serving.work import Answer, Embed, Generate, Piece, Rerank, Vectors
from telemetry.record import RequestRecord

JSON = b"application/json"
EVENT_STREAM = b"text/event-stream; charset=utf-8"


class TextWriter(Protocol):
    """Writes the answer to one `Generate`, whole or as a stream. Made when the engine has accepted the
    request.
    """

    id: str
    """Of the response, as its client sees it."""

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the response, besides those of its form."""

    def whole(self, answers: Sequence[Answer], now_ns: int) -> bytes:
        """The body when not streaming."""

    def pieces(self, pieces: Sequence[Piece]) -> bytes:
        """The bytes of a stream that bring these pieces, which came at the same time."""

    def last(self, reasons: Sequence[str | None], now_ns: int) -> bytes:
        """The bytes that end a stream; why each answer ended."""


class VectorWriter(Protocol):
    """Writes the answer to one `Embed` or `Rerank`; called on another thread where the vectors are many."""

    def whole(self, vectors: Vectors) -> bytes:
        """The body."""


@dataclass(frozen=True, slots=True)
class TextRequest:
    """A body that asks for text. `writer` makes what writes the answer, from the record, the model's name
    and its description.
    """

    work: Generate
    writer: Callable[[RequestRecord, str, Description], TextWriter]
    n: int = 1
    """How many answers are asked for."""

    more_prompts: tuple[str | list[int], ...] = ()
    """Prompts besides that of the work, each of which is to be answered `n` times too."""

    @property
    def works(self) -> list[Generate]:
        """The work for each answer, in their order."""
        prompts = [self.work, *(replace(self.work, prompt=prompt) for prompt in self.more_prompts)]
        return [
            one for number, work in enumerate(prompts) for one in choices_of(work, self.n, number * self.n)
        ]


@dataclass(frozen=True, slots=True)
class VectorRequest:
    """A body that asks for vectors or scores; `writer` as above."""

    work: Embed | Rerank
    writer: Callable[[RequestRecord, str, Description], VectorWriter]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A route that asks a model for something. `api` is what records call it; `request` and `answers` (by
    media type) describe it in OpenAPI. `parse` raises `ApiError` with the field to blame.
    """

    path: str
    api: str
    operation_id: str
    tag: str
    summary: str
    parse: Callable[[bytes], TextRequest | VectorRequest]
    request: type[msgspec.Struct]
    answers: Mapping[str, type[msgspec.Struct]]
    about_answer: str = "The answer"
    operation: str = "chat"
    stream_type: bytes = EVENT_STREAM


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """An API. `prefixes`: the paths that are its own, which decide whose words an error is told in; `routes`:
    what is no endpoint, such as lists of models; `error` is the body of an error, `stream_error` the end of a
    stream that failed.
    """

    name: str
    prefixes: Sequence[str]
    endpoints: Sequence[Endpoint]
    routes: Sequence[Any] = ()
    error: Callable[[ApiError], bytes]
    error_schema: type[msgspec.Struct]
    stream_error: Callable[[ApiError], bytes]

    def owns(self, path: str) -> bool:
        """Whether a path is one of its own."""
        return any(path == prefix or path.startswith(f"{prefix}/") for prefix in self.prefixes)


class Dialects:
    """All dialects that are served; the first one's words are those of every path that is nobody's."""

    def __init__(self, dialects: Iterable[Dialect]) -> None:
        self.all = tuple(dialects)

    def of(self, path: str) -> Dialect:
        """The dialect of a path: the one with the longest prefix of it."""
        owners = [dialect for dialect in self.all if dialect.owns(path)]
        return max(owners, key=lambda dialect: _longest(dialect, path), default=self.all[0])


def _longest(dialect: Dialect, path: str) -> int:
    """Of the prefixes that a path has."""
    return max(len(prefix) for prefix in dialect.prefixes if path.startswith(prefix))
