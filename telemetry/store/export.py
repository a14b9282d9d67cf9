"""All requests of a range, oldest first, in pages: nothing is ever in memory but one page."""

from __future__ import annotations

import csv
import importlib
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, Protocol

import msgspec
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.store.batch import REQUESTS
from telemetry.store.formats import Format
from telemetry.store.queries.reading import fetch
from telemetry.store.seq import seq_at

PAGE_ROWS = 1000

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Range:
    """Which requests: admitted from `since` (inclusive) to `until` (exclusive), aware times; of one model. None: all."""

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
    """How many requests there are."""
    rows = await fetch(engine, select(func.count()).select_from(REQUESTS).where(*wanted.conditions()))
    return int(rows[0][0])


async def pages(engine: AsyncEngine, wanted: Range) -> AsyncIterator[list[Record]]:
    """The requests by `seq`, a page at a time; times are UTC."""
    after = -1
    while True:
        statement = select(REQUESTS).where(REQUESTS.c.seq > after, *wanted.conditions()).order_by(REQUESTS.c.seq).limit(PAGE_ROWS)
        rows = await fetch(engine, statement)
        if rows:
            yield [_record(row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name for it
        if len(rows) < PAGE_ROWS:
            return
        after = rows[-1]._mapping["seq"]  # noqa: SLF001


def _record(row: Any) -> Record:
    record = dict(row)
    started = record["started_at"]
    record["started_at"] = started.replace(tzinfo=UTC) if started.tzinfo is None else started.astimezone(UTC)
    return record


class Writer(Protocol):
    """Writes pages to a file."""

    def page(self, records: Sequence[Record]) -> None:
        """Write a page."""

    def close(self) -> None:
        """Write what ends the file, which stays open."""


def writer(form: Format, file: IO[bytes]) -> Writer:
    """The writer of a format.

    Raises:
        ModuleNotFoundError: Parquet without pyarrow.
    """
    if form is Format.PARQUET:
        return _Parquet(file)
    return _Csv(file) if form is Format.CSV else _JsonLines(file)


class _JsonLines:
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def page(self, records: Sequence[Record]) -> None:
        self._file.write(b"".join(msgspec.json.encode(record) + b"\n" for record in records))

    def close(self) -> None:
        """Nothing ends a file of lines."""


class _Csv:
    """NULL is an empty field; sampling parameters are JSON."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self._writer = csv.DictWriter(self._file, [column.name for column in REQUESTS.columns], lineterminator="\n")
        self._writer.writeheader()

    def page(self, records: Sequence[Record]) -> None:
        self._writer.writerows(_flat(record) for record in records)

    def close(self) -> None:
        self._file.detach()


class _Parquet:
    """One row group per page; the schema is the table's, so that a column of NULLs keeps its type."""

    def __init__(self, file: IO[bytes]) -> None:
        self._arrow = arrow = importlib.import_module("pyarrow")
        self._schema = arrow.schema([(column.name, _arrow_type(arrow, column.type.python_type)) for column in REQUESTS.columns])
        self._writer = importlib.import_module("pyarrow.parquet").ParquetWriter(file, self._schema)

    def page(self, records: Sequence[Record]) -> None:
        self._writer.write_table(self._arrow.Table.from_pylist([_flat(record, times=False) for record in records], self._schema))

    def close(self) -> None:
        self._writer.close()


def _arrow_type(arrow: Any, python_type: type) -> Any:
    known = {int: arrow.int64(), float: arrow.float64(), bool: arrow.bool_(), datetime: arrow.timestamp("us", "UTC")}
    return known.get(python_type, arrow.string())


def _flat(record: Record, *, times: bool = True) -> Record:
    """Without nesting; with `times` as text."""
    flat = record | {"params": msgspec.json.encode(record["params"]).decode()}
    return flat | {"started_at": record["started_at"].isoformat()} if times else flat
