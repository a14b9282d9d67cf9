"""One batch of events, written in one transaction; the same statements for SQLite and PostgreSQL."""

from __future__ import annotations

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
from telemetry.store.models import Base, ContentRow, DelayRow, EngineConfigRow, PhasesRow, RequestRow, SeriesRow, SpeedChangeRow
from telemetry.store.rollups.compaction import take_back
from telemetry.store.rollups.rollup import COUNTERS as COUNTED
from telemetry.store.rollups.rollup import CacheTally, PhaseTally, Rollup, Series, roll_up
from telemetry.store.rollups.tables import CACHE, COUNTERS, HISTOGRAMS
from telemetry.store.rollups.tables import PHASES as PHASE_TIMES
from telemetry.store.rows import Row, config_row, delay_rows, request_row

_TABLES = Base.metadata.tables
REQUESTS, PHASES, CONTENTS, CONFIGS = (_TABLES[row.__tablename__] for row in (RequestRow, PhasesRow, ContentRow, EngineConfigRow))
SERIES, CHANGES, DELAYS = (_TABLES[row.__tablename__] for row in (SeriesRow, SpeedChangeRow, DelayRow))


KEY = ("minute", "series_id")
"""Of every roll-up; some have more."""


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
    insert = Insert(connection)
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


async def _roll_up(insert: Insert, records: Sequence[RequestRecord], known: Known) -> None:
    merged = roll_up(records, frozenset(known.configs.values()), known.configs)
    await _ensure_series(insert, {series for _, series in merged}, known)
    keyed = [((minute, known.series[series]), rollup) for (minute, series), rollup in merged.items()]
    await insert.add(COUNTERS.minutes, (*KEY, *COUNTED), [(*key, *rollup.counters) for key, rollup in keyed])
    await insert.add(HISTOGRAMS, (*KEY, "measure", "bucket", "count"), [row for key, rollup in keyed for row in _buckets(key, rollup)])
    tallies = [(*key, *outcome, *tally.values) for key, rollup in keyed for outcome, tally in rollup.cache.items()]
    await insert.add(CACHE.minutes, (*KEY, "reason", "source", *CacheTally.__slots__), tallies)
    times = [(*key, phase, *tally.values) for key, rollup in keyed for phase, tally in rollup.phases.items()]
    await insert.add(PHASE_TIMES.minutes, (*KEY, "phase", *PhaseTally.__slots__), times)
    if merged:
        await take_back(insert.connection, min(minute for minute, _ in merged))


def _buckets(key: tuple[int, int], rollup: Rollup) -> Iterator[Values]:
    for measure, buckets in rollup.histograms.items():
        start = (*key, measure.value)
        for bucket, count in buckets.items():
            yield (*start, bucket, count)


async def _ensure_series(insert: Insert, wanted: set[Series], known: Known) -> None:
    for series in wanted - known.series.keys():
        row = dict(zip(("model", "engine_config_id", "context_bucket"), series, strict=True))
        await insert.ignore(SERIES, [row])
        where = [SERIES.c[name] == value for name, value in row.items()]
        known.series[series] = (await insert.connection.execute(select(SERIES.c.id).where(*where))).scalar_one()
