"""All requests of a range, oldest first, in pages: nothing is ever in memory but one page."""

from __future__ import annotations

import csv
import importlib
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, Protocol

import msgspec
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.store.batch import CONTENTS, REQUESTS
from telemetry.store.contents import decode
from telemetry.store.formats import Format
from telemetry.store.queries.reading import StoreUnreadable, fetch
from telemetry.store.seq import seq_at

PAGE_ROWS = 1000
CONTENT_PAGE_ROWS = 50
"""A page with what was said, which may be long."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Range:
    """The requests that are wanted: admitted from `since` (inclusive)
    to `until` (exclusive), aware times; of one model. None: all.
    """

    since: datetime | None = None
    until: datetime | None = None
    model: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """In SQL, on indexed columns."""
        found = []
        if self.since is not None:
            found.append(REQUESTS.c.seq >= seq_at(self.since))
        if self.until is not None:
            found.append(REQUESTS.c.seq < seq_at(self.until))
        if self.model is not None:
            found.append(REQUESTS.c.model == self.model)
        return found


async def count(engine: AsyncEngine, wanted: Range) -> int:
    """The number of requests that there are."""
    rows = await fetch(engine, select(func.count()).select_from(REQUESTS).where(*wanted.conditions()))
    return int(rows[0][0])


async def pages(engine: AsyncEngine, wanted: Range, *, content: bool = False) -> AsyncIterator[list[Record]]:
    """The requests by `seq`, a page at a time; times are UTC. With
    `content` also what was said, NULL where that is not kept.
    """
    after, size = -1, CONTENT_PAGE_ROWS if content else PAGE_ROWS
    statement = (
        select(REQUESTS, CONTENTS.c.content).outerjoin(CONTENTS, CONTENTS.c.seq == REQUESTS.c.seq)
        if content
        else select(REQUESTS)
    )
    while True:
        rows = await fetch(
            engine,
            statement.where(REQUESTS.c.seq > after, *wanted.conditions())
            .order_by(REQUESTS.c.seq)
            .limit(size),
        )
        if rows:
            yield [_record(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for it
        if len(rows) < size:
            return
        after = rows[-1]._mapping["seq"]  # noqa: SLF001


def _record(row: Any) -> Record:
    record = dict(row)
    started = record["started_at"]
    record["started_at"] = started.replace(tzinfo=UTC) if started.tzinfo is None else started.astimezone(UTC)
    return record | {"content": _content(record["content"])} if "content" in record else record


def _content(stored: bytes | None) -> Record | None:
    """The stored content as plain values.

    Raises:
        StoreUnreadable: it is damaged.
    """
    try:
        return None if stored is None else dict(msgspec.to_builtins(decode(stored)))
    except msgspec.DecodeError as error:
        raise StoreUnreadable(f"a content is damaged: {error}") from error


class Writer(Protocol):
    """Writes pages to a file."""

    def page(self, records: Sequence[Record]) -> None:
        """Write a page."""

    def close(self) -> None:
        """Write what ends the file, which stays open."""


def writer(form: Format, file: IO[bytes], *, content: bool = False) -> Writer:
    """The writer of a format, for records with `content` or without.

    Raises:
        ModuleNotFoundError: Parquet without pyarrow.
    """
    if form is Format.PARQUET:
        return _Parquet(file, _columns(content=content))
    return _Csv(file, _columns(content=content)) if form is Format.CSV else _JsonLines(file)


def _columns(*, content: bool) -> dict[str, type]:
    columns = {column.name: column.type.python_type for column in REQUESTS.columns}
    return columns | {"content": str} if content else columns


class _JsonLines:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def page(self, records: Sequence[Record]) -> None:
        self._file.write(b"".join(msgspec.json.encode(record) + b"\n" for record in records))

    def close(self) -> None:
        """Nothing ends a file of lines."""


class _Csv:
    """NULL is an empty field; sampling parameters, lists and contents are JSON."""

    def __init__(self, file: IO[bytes], columns: Mapping[str, type]) -> None:
        self._file = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self._writer = csv.DictWriter(self._file, list(columns), lineterminator="\n")
        self._writer.writeheader()

    def page(self, records: Sequence[Record]) -> None:
        self._writer.writerows(_flat(record) for record in records)

    def close(self) -> None:
        self._file.detach()


class _Parquet:
    """One row group per page; the schema is the table's, so that a column of NULLs keeps its type."""

    def __init__(self, file: IO[bytes], columns: Mapping[str, type]) -> None:
        self._arrow = arrow = importlib.import_module("pyarrow")
        self._schema = arrow.schema([(name, _arrow_type(arrow, kind)) for name, kind in columns.items()])
        self._writer = importlib.import_module("pyarrow.parquet").ParquetWriter(file, self._schema)

    def page(self, records: Sequence[Record]) -> None:
        self._writer.write_table(
            self._arrow.Table.from_pylist([_flat(record, times=False) for record in records], self._schema)
        )

    def close(self) -> None:
        self._writer.close()


def _arrow_type(arrow: Any, python_type: type) -> Any:
    known = {
        int: arrow.int64(),
        float: arrow.float64(),
        bool: arrow.bool_(),
        datetime: arrow.timestamp("us", "UTC"),
    }
    return known.get(python_type, arrow.string())


def _flat(record: Record, *, times: bool = True) -> Record:
    """Without nesting; with `times` as text."""
    nested = {name: value for name, value in record.items() if isinstance(value, dict | list)}
    flat = record | {name: msgspec.json.encode(value).decode() for name, value in nested.items()}
    return flat | {"started_at": record["started_at"].isoformat()} if times else flat
