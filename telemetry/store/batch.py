"""One batch of events, written in one transaction; the same statements for SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from telemetry.events import EngineConfig
from telemetry.record import RequestRecord
from telemetry.speed_change import SpeedChange
from telemetry.store import phases
from telemetry.store.compaction import take_back
from telemetry.store.models import Base, ContentRow, DelayRow, EngineConfigRow, PhasesRow, RequestRow, SeriesRow, SpeedChangeRow
from telemetry.store.rollup import Rollup, Series, roll_up
from telemetry.store.rollup_tables import CACHE, COUNTERS, HISTOGRAMS
from telemetry.store.rollup_tables import PHASES as PHASE_TIMES
from telemetry.store.rows import Row, config_row, delay_rows, request_row

_TABLES = Base.metadata.tables
REQUESTS, PHASES, CONTENTS, CONFIGS = (_TABLES[row.__tablename__] for row in (RequestRow, PhasesRow, ContentRow, EngineConfigRow))
SERIES, CHANGES, DELAYS = (_TABLES[row.__tablename__] for row in (SeriesRow, SpeedChangeRow, DelayRow))

MAX_ROWS = 500
"""Rows per executemany: keeps one statement's buffers small."""


@dataclass(slots=True)
class Batch:
    """What happened since the last transaction: rows of admitted requests, completed records with what was said in them."""

    admitted: dict[int, Row] = field(default_factory=dict)
    completed: dict[int, RequestRecord] = field(default_factory=dict)
    changes: list[SpeedChange] = field(default_factory=list)
    contents: dict[int, bytes] = field(default_factory=dict)
    """Of completed requests (`telemetry.store.contents`)."""

    def __len__(self) -> int:
        return len(self.admitted) + len(self.completed) + len(self.changes)

    def add(self, event: Row | RequestRecord | SpeedChange) -> None:
        """Take one event of the queue."""
        if isinstance(event, SpeedChange):
            self.changes.append(event)
        elif isinstance(event, RequestRecord):
            self.completed[event.seq] = event
        else:
            self.admitted[event["seq"]] = event

    def halves(self) -> tuple[Batch, Batch]:
        """The same events in two batches; both events of a request stay together, changes of speed are apart."""
        if self.changes and len(self) > len(self.changes):
            return Batch(changes=self.changes), Batch(self.admitted, self.completed, contents=self.contents)
        if self.changes:
            middle = len(self.changes) // 2
            return Batch(changes=self.changes[:middle]), Batch(changes=self.changes[middle:])
        order = list(dict.fromkeys([*self.admitted, *self.completed]))
        if len(order) == 1:  # its row at admission, then its completion: either may be the bad one
            return Batch(admitted=self.admitted), Batch(completed=self.completed, contents=self.contents)
        first = set(order[: len(order) // 2])
        return self._only(first), self._only(set(order) - first)

    def _only(self, seqs: AbstractSet[int]) -> Batch:
        return Batch(
            {seq: row for seq, row in self.admitted.items() if seq in seqs},
            {seq: record for seq, record in self.completed.items() if seq in seqs},
            contents={seq: content for seq, content in self.contents.items() if seq in seqs},
        )


@dataclass(slots=True)
class Known:
    """What the database is known to hold already; forgotten when a transaction fails."""

    configs: dict[str, str] = field(default_factory=dict)
    """Configuration id → model."""
    series: dict[Series, int] = field(default_factory=dict)
    instance_id: str | None = None
    """Whose the requests are (`telemetry.store.instances`)."""

    def forget(self) -> None:
        """Of a transaction that failed nothing is there."""
        self.configs, self.series = {}, {}

    async def load(self, connection: AsyncConnection) -> None:
        """Read it anew."""
        configs = await connection.execute(select(CONFIGS.c.id, CONFIGS.c.model))
        self.configs = {row.id: row.model for row in configs}
        self.series = {}


async def write(connection: AsyncConnection, batch: Batch, configs: Mapping[str, EngineConfig], known: Known) -> None:
    """Write a batch: new configurations, admissions, completions with phases and contents, roll-ups."""
    insert = _Insert(connection)
    new = [config for key, config in configs.items() if key not in known.configs]
    await insert.ignore(CONFIGS, [config_row(config) for config in new])
    known.configs |= {config.config_id: config.model for config in new}
    records = list(batch.completed.values())
    waiting = [row for seq, row in batch.admitted.items() if seq not in batch.completed]
    await insert.ignore(REQUESTS, [_referring(row, known) for row in waiting])
    rows = [_referring(request_row(record), known) for record in records]
    await insert.replace(REQUESTS, rows)
    await insert.replace(DELAYS, [row for record in records for row in delay_rows(record)])
    await insert.replace(PHASES, [{"seq": record.seq, "phases": phases.encode(record)} for record in records])
    contents = [{"seq": seq, "size_bytes": len(content), "content": content} for seq, content in batch.contents.items()]
    await insert.replace(CONTENTS, contents)
    await _roll_up(insert, records, known)
    now = datetime.now(UTC)
    await insert.ignore(CHANGES, [asdict(change) | {"at": now} for change in batch.changes])


def _referring(row: Row, known: Known) -> Row:
    """With its owner; a configuration that was never announced cannot be referred to: NULL, not a batch that fails."""
    owned = row | {"instance_id": known.instance_id}
    return owned if row["engine_config_id"] in known.configs else owned | {"engine_config_id": None}


async def _roll_up(insert: _Insert, records: Sequence[RequestRecord], known: Known) -> None:
    merged = roll_up(records, frozenset(known.configs.values()), known.configs)
    await _ensure_series(insert, {series for _, series in merged}, known)
    keyed = [({"minute": minute, "series_id": known.series[series]}, rollup) for (minute, series), rollup in merged.items()]
    await insert.add(COUNTERS.minutes, [key | rollup.counters for key, rollup in keyed])
    await insert.add(HISTOGRAMS, [row for key, rollup in keyed for row in _buckets(key, rollup)])
    await insert.add(CACHE.minutes, [row for key, rollup in keyed for row in _cache_rows(key, rollup)])
    times = [key | {"phase": phase} | asdict(tally) for key, rollup in keyed for phase, tally in rollup.phases.items()]
    await insert.add(PHASE_TIMES.minutes, times)
    if merged:
        await take_back(insert.connection, min(minute for minute, _ in merged))


def _buckets(key: Row, rollup: Rollup) -> list[Row]:
    return [
        key | {"measure": measure.value, "bucket": bucket, "count": count}
        for measure, buckets in rollup.histograms.items()
        for bucket, count in buckets.items()
    ]


def _cache_rows(key: Row, rollup: Rollup) -> list[Row]:
    return [key | {"reason": reason, "source": source} | asdict(tally) for (reason, source), tally in rollup.cache.items()]


async def _ensure_series(insert: _Insert, wanted: set[Series], known: Known) -> None:
    for series in wanted - known.series.keys():
        row = dict(zip(("model", "engine_config_id", "context_bucket"), series, strict=True))
        await insert.ignore(SERIES, [row])
        where = [SERIES.c[name] == value for name, value in row.items()]
        known.series[series] = (await insert.connection.execute(select(SERIES.c.id).where(*where))).scalar_one()


class _Insert:
    """`INSERT … ON CONFLICT` in its three forms, many rows at once."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self._dialect = connection.dialect.name

    async def ignore(self, table: Table, rows: Sequence[Row]) -> None:
        """Keep the row that is there."""
        await self._run(_ignore(self._dialect, table), rows)

    async def replace(self, table: Table, rows: Sequence[Row]) -> None:
        """Overwrite every column of the row that is there."""
        await self._run(_replace(self._dialect, table), rows)

    async def add(self, table: Table, rows: Sequence[Row]) -> None:
        """Add every number to the row that is there."""
        await self._run(_add(self._dialect, table), rows)

    async def _run(self, statement: Any, rows: Sequence[Row]) -> None:
        for start in range(0, len(rows), MAX_ROWS):
            await self.connection.execute(statement, list(rows[start : start + MAX_ROWS]))


def _insert(dialect: str, table: Table) -> Any:
    return (sqlite.insert if dialect == "sqlite" else postgresql.insert)(table)


@lru_cache
def _ignore(dialect: str, table: Table) -> Any:
    return _insert(dialect, table).on_conflict_do_nothing()


@lru_cache
def _replace(dialect: str, table: Table) -> Any:
    statement = _insert(dialect, table)
    values = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    return statement.on_conflict_do_update(index_elements=_key(table), set_=values)


@lru_cache
def _add(dialect: str, table: Table) -> Any:
    statement = _insert(dialect, table)
    values = {column.name: column + statement.excluded[column.name] for column in table.columns if not column.primary_key}
    return statement.on_conflict_do_update(index_elements=_key(table), set_=values)


def _key(table: Table) -> list[str]:
    return [column.name for column in table.primary_key]
