"""`INSERT … ON CONFLICT` in its three forms, many rows at once, on both databases.

The statements' texts are made here once per table: SQLAlchemy looks at every value of every row, which takes
longer than SQLite needs to write it. SQLite takes the rows one by one, in one call; PostgreSQL takes a column
of values per parameter (`unnest`), since each row of its own would cost a message and a plan's start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from sqlalchemy import JSON, Column, Dialect, String, Table
from sqlalchemy.ext.asyncio import AsyncConnection

from telemetry.store.rows import Row

MAX_ROWS = 1000
"""Rows per call: keeps its buffers small."""

Values = tuple[Any, ...]


class Form(Enum):
    """The treatment of a row that is there already."""

    IGNORE = "keep it"
    REPLACE = "overwrite its values"
    ADD = "add to its values"


@dataclass(frozen=True, slots=True)
class Insert:
    """Inserts of one transaction. The rows of a call all have the same columns, and no key twice."""

    connection: AsyncConnection

    async def ignore(self, table: Table, rows: Sequence[Row]) -> None:
        """Keep the row that is there."""
        await self._rows(Form.IGNORE, table, rows)

    async def replace(self, table: Table, rows: Sequence[Row]) -> None:
        """Overwrite every given column of the row that is there."""
        await self._rows(Form.REPLACE, table, rows)

    async def add(self, table: Table, names: Sequence[str], rows: Sequence[Values]) -> None:
        """Add every number to the row that is there; `rows` have their values in the order of `names`."""
        await self._run(Form.ADD, table, tuple(names), rows)

    async def _rows(self, form: Form, table: Table, rows: Sequence[Row]) -> None:
        if rows:
            names = tuple(rows[0])
            await self._run(form, table, names, [tuple(map(row.__getitem__, names)) for row in rows])

    async def _run(self, form: Form, table: Table, names: tuple[str, ...], rows: Sequence[Values]) -> None:
        statement = _statement(self.connection.dialect, form, table, names)
        for start in range(0, len(rows), MAX_ROWS):
            await self.connection.exec_driver_sql(
                statement.text, statement.parameters(rows[start : start + MAX_ROWS])
            )


@dataclass(frozen=True, slots=True)
class _Statement:
    text: str
    processors: Sequence[tuple[int, Callable[[Any], Any]]]
    """Functions that make what the database takes of the value
    in a column, by its place: dates and JSON, for the most part.
    """
    by_column: bool

    def parameters(self, rows: Sequence[Values]) -> Any:
        """A list of rows, or one tuple of columns."""
        if not self.by_column:
            return [self._processed(row) for row in rows] if self.processors else list(rows)
        columns: list[Iterable[Any]] = list(zip(*rows, strict=True))
        for at, process in self.processors:
            columns[at] = map(process, columns[at])
        return tuple(map(list, columns))

    def _processed(self, row: Values) -> Values:
        values = list(row)
        for at, process in self.processors:
            values[at] = process(values[at])
        return tuple(values)


@lru_cache
def _statement(dialect: Dialect, form: Form, table: Table, names: tuple[str, ...]) -> _Statement:
    columns = [table.columns[name] for name in names]
    quote = dialect.identifier_preparer.quote
    into = f"INSERT INTO {quote(table.name)} ({', '.join(map(quote, names))})"
    by_column = dialect.name == "postgresql"
    given = _columns(dialect, columns) if by_column else _values(columns)
    text = f"{into} {given} {_conflict(form, table, names, quote)}"
    bound = (
        (at, column.type.dialect_impl(dialect).bind_processor(dialect)) for at, column in enumerate(columns)
    )
    return _Statement(text, [(at, process) for at, process in bound if process is not None], by_column)


def _values(columns: Sequence[Column[Any]]) -> str:
    return f"VALUES ({', '.join('?' for _ in columns)})"


def _columns(dialect: Dialect, columns: Sequence[Column[Any]]) -> str:
    """Arrays of texts are not cast to the column's length,
    which would cut what is too long instead of refusing it.
    """
    taken, arrays = [], []
    for number, column in enumerate(columns, 1):
        json, text = isinstance(column.type, JSON), isinstance(column.type, String)
        taken.append(f"c{number}::json" if json else f"c{number}")
        arrays.append(f"${number}::{'text' if json or text else column.type.compile(dialect=dialect)}[]")
    named = ", ".join(f"c{number}" for number in range(1, len(columns) + 1))
    return f"SELECT {', '.join(taken)} FROM unnest({', '.join(arrays)}) AS given ({named})"  # noqa: S608 - parameters only


def _conflict(form: Form, table: Table, names: Sequence[str], quote: Callable[[str], str]) -> str:
    if form is Form.IGNORE:
        return "ON CONFLICT DO NOTHING"
    key = [quote(column.name) for column in table.primary_key]
    values = [quote(name) for name in names if not table.columns[name].primary_key]
    there = f"{quote(table.name)}.{{0}} + " if form is Form.ADD else ""
    changes = [f"{name} = {there.format(name)}excluded.{name}" for name in values]
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(changes)}"
