"""The tables of the roll-ups: minutes (`telemetry.store.rollup_models`),
and the longer spans that are merged from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Integer, LargeBinary, PrimaryKeyConstraint, String, Table

from telemetry.store.models import Base
from telemetry.store.rollup_models import CacheRollupRow, HistogramRow, PhaseRollupRow, RollupRow

_META = Base.metadata


@dataclass(frozen=True, slots=True)
class RollupTables:
    """The two tables of roll-ups that are merged by adding: `minutes`, and `longer` spans of so many minutes
    (its column `minutes`) that begin at `minute`.
    """

    minutes: Table
    longer: Table

    @property
    def keys(self) -> list[str]:
        """The columns that tell rows of one minute apart, the series first."""
        return [column.name for column in self.minutes.primary_key if column.name != "minute"]

    @property
    def values(self) -> list[str]:
        """The columns that are added."""
        return [column.name for column in self.minutes.columns if not column.primary_key]


def _tables(row: type[Base]) -> RollupTables:
    minutes = _META.tables[row.__tablename__]
    length: Column[Any] = Column("minutes", Integer, primary_key=True, autoincrement=False)
    longer = Table(
        f"long_{minutes.name}", _META, length, *map(_copy, minutes.columns), sqlite_with_rowid=False
    )
    return RollupTables(minutes, longer)


def _copy(column: Column[Any]) -> Column[Any]:
    return Column(
        column.name,
        column.type,
        primary_key=column.primary_key,
        autoincrement=False,
        nullable=column.nullable,
    )


COUNTERS, CACHE, PHASES = (_tables(row) for row in (RollupRow, CacheRollupRow, PhaseRollupRow))
SUMMED = (COUNTERS, CACHE, PHASES)

HISTOGRAMS = _META.tables[HistogramRow.__tablename__]
LONG_HISTOGRAMS = Table(
    "long_rollup_histograms",
    _META,
    Column("minutes", Integer, nullable=False),
    Column("measure", String(16), nullable=False),
    Column("minute", Integer, nullable=False),
    Column("series_id", Integer, nullable=False),
    Column("buckets", LargeBinary, nullable=False),
    PrimaryKeyConstraint("minutes", "measure", "minute", "series_id"),
    sqlite_with_rowid=False,
)
"""A whole histogram in one value (`telemetry.store.rollups.packed`):
a row per bucket would be most of what a long window reads.
"""

WATERMARKS = Table(
    "rollup_marks",
    _META,
    Column("minutes", Integer, primary_key=True, autoincrement=False),
    Column("until", Integer, nullable=False),
)
"""The Unix minute up to which the spans of a length (`minutes`) are there."""

MINUTE_TABLES = (HISTOGRAMS, *(tables.minutes for tables in SUMMED))
LONG_TABLES = (LONG_HISTOGRAMS, *(tables.longer for tables in SUMMED))
