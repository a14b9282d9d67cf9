"""A batch of events, written in one transaction; the same statements for SQLite and PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from telemetry.events import EngineConfig
from telemetry.record import RequestRecord
from telemetry.speed_change import SpeedChange
from telemetry.store import phases
from telemetry.store.inserts import Insert, Values
from telemetry.store.models import (
    Base,
    ContentRow,
    DelayRow,
    EngineConfigRow,
    PhasesRow,
    RequestRow,
    SpeedChangeRow,
)
from telemetry.store.rollup_models import SeriesRow
from telemetry.store.rollups.compaction import rewind_watermarks
from telemetry.store.rollups.rollup import COUNTERS as COUNTED
from telemetry.store.rollups.rollup import CacheTally, PhaseTally, Rollup, Series, roll_up
from telemetry.store.rollups.tables import CACHE, COUNTERS, HISTOGRAMS
from telemetry.store.rollups.tables import PHASES as PHASE_TIMES
from telemetry.store.rows import Row, config_row, delay_rows, request_row

_TABLES = Base.metadata.tables
REQUESTS, PHASES, CONTENTS = (_TABLES[row.__tablename__] for row in (RequestRow, PhasesRow, ContentRow))
CONFIGS, SERIES, CHANGES, DELAYS = (
    _TABLES[row.__tablename__] for row in (EngineConfigRow, SeriesRow, SpeedChangeRow, DelayRow)
)

KEY = ("minute", "series_id")
"""The key of every roll-up; some have more."""


@dataclass(slots=True)
class EventBatch:
    """Events since the last transaction, by `seq`: rows of
    admitted requests, completed records and what was said in them.
    """

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

    def halves(self) -> tuple[EventBatch, EventBatch]:
        """The same events in two batches; both events of a
        request stay together, changes of speed are apart.
        """
        if self.changes and len(self) > len(self.changes):
            return EventBatch(changes=self.changes), EventBatch(
                self.admitted, self.completed, contents=self.contents
            )
        if self.changes:
            middle = len(self.changes) // 2
            return EventBatch(changes=self.changes[:middle]), EventBatch(changes=self.changes[middle:])
        order = list(dict.fromkeys([*self.admitted, *self.completed]))
        if len(order) == 1:  # its row at admission, then its completion: either may be the bad one
            return EventBatch(admitted=self.admitted), EventBatch(
                completed=self.completed, contents=self.contents
            )
        first = set(order[: len(order) // 2])
        return self._only(first), self._only(set(order) - first)

    def _only(self, seqs: AbstractSet[int]) -> EventBatch:
        return EventBatch(
            {seq: row for seq, row in self.admitted.items() if seq in seqs},
            {seq: record for seq, record in self.completed.items() if seq in seqs},
            contents={seq: content for seq, content in self.contents.items() if seq in seqs},
        )


@dataclass(slots=True)
class WriterCache:
    """Keys that the database has already, so that they are not
    looked up again; forgotten when a transaction fails.
    """

    models: dict[str, str] = field(default_factory=dict)
    """Configuration id → model."""
    series: dict[Series, int] = field(default_factory=dict)
    instance_id: str | None = None
    """The gateway whose requests these are (`telemetry.store.instances`)."""

    def forget(self) -> None:
        """Of a transaction that failed nothing is there."""
        self.models, self.series = {}, {}

    async def load(self, connection: AsyncConnection) -> None:
        """Read it anew."""
        configs = await connection.execute(select(CONFIGS.c.id, CONFIGS.c.model))
        self.models = {row.id: row.model for row in configs}
        self.series = {}


async def write(
    connection: AsyncConnection, batch: EventBatch, configs: Mapping[str, EngineConfig], cache: WriterCache
) -> None:
    """Write a batch: new configurations, admissions,
    completions with all that belongs to them, changes of speed.
    """
    insert = Insert(connection)
    await _write_configs(insert, configs, cache)
    await _write_admitted(insert, batch, cache)
    await _write_completed(insert, batch, cache)
    await _write_rollups(insert, list(batch.completed.values()), cache)
    now = datetime.now(UTC)
    await insert.ignore(CHANGES, [asdict(change) | {"at": now} for change in batch.changes])


async def _write_configs(insert: Insert, configs: Mapping[str, EngineConfig], cache: WriterCache) -> None:
    new = [config for key, config in configs.items() if key not in cache.models]
    await insert.ignore(CONFIGS, [config_row(config) for config in new])
    cache.models |= {config.config_id: config.model for config in new}


async def _write_admitted(insert: Insert, batch: EventBatch, cache: WriterCache) -> None:
    """Rows of requests that still run: one that was completed since has its whole row written."""
    running = [row for seq, row in batch.admitted.items() if seq not in batch.completed]
    await insert.ignore(REQUESTS, [_referring(row, cache) for row in running])


async def _write_completed(insert: Insert, batch: EventBatch, cache: WriterCache) -> None:
    records = batch.completed.values()
    delays = itertools.chain.from_iterable(delay_rows(record) for record in records)
    contents = [
        {"seq": seq, "size_bytes": len(content), "content": content}
        for seq, content in batch.contents.items()
    ]
    await insert.replace(REQUESTS, [_referring(request_row(record), cache) for record in records])
    await insert.replace(DELAYS, list(delays))
    await insert.replace(PHASES, [{"seq": record.seq, "phases": phases.encode(record)} for record in records])
    await insert.replace(CONTENTS, contents)


def _referring(row: Row, cache: WriterCache) -> Row:
    """With its owner; a configuration that was never announced
    cannot be referred to: NULL, not a batch that fails.
    """
    owned = row | {"instance_id": cache.instance_id}
    return owned if row["engine_config_id"] in cache.models else owned | {"engine_config_id": None}


async def _write_rollups(insert: Insert, records: Sequence[RequestRecord], cache: WriterCache) -> None:
    """Add the records to the roll-ups of their minutes, in which longer spans may have to be built again."""
    merged = roll_up(records, frozenset(cache.models.values()), cache.models)
    await _ensure_series(insert, {series for _, series in merged}, cache)
    counters: list[Values] = []
    buckets: list[Values] = []
    lookups: list[Values] = []
    times: list[Values] = []
    for (minute, series), rollup in merged.items():
        key = (minute, cache.series[series])
        counters.append((*key, *rollup.counters))
        buckets += _buckets(key, rollup)
        lookups += [(*key, *outcome, *tally.values) for outcome, tally in rollup.cache.items()]
        times += [(*key, phase, *tally.values) for phase, tally in rollup.phases.items()]
    await insert.add(COUNTERS.minutes, (*KEY, *COUNTED), counters)
    await insert.add(HISTOGRAMS, (*KEY, "measure", "bucket", "count"), buckets)
    await insert.add(CACHE.minutes, (*KEY, "reason", "source", *CacheTally.__slots__), lookups)
    await insert.add(PHASE_TIMES.minutes, (*KEY, "phase", *PhaseTally.__slots__), times)
    if merged:
        await rewind_watermarks(insert.connection, min(minute for minute, _ in merged))


def _buckets(key: tuple[int, int], rollup: Rollup) -> Iterator[Values]:
    for measure, buckets in rollup.histograms.items():
        start = (*key, measure.value)
        for bucket, count in buckets.items():
            yield (*start, bucket, count)


async def _ensure_series(insert: Insert, wanted: set[Series], cache: WriterCache) -> None:
    for series in wanted - cache.series.keys():
        row = dict(zip(("model", "engine_config_id", "context_bucket"), series, strict=True))
        await insert.ignore(SERIES, [row])
        where = [SERIES.c[name] == value for name, value in row.items()]
        found = await insert.connection.execute(select(SERIES.c.id).where(*where))
        cache.series[series] = found.scalar_one()
