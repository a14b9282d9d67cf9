"""Tables of the roll-ups: what happened in one minute, by series (see `telemetry.store.rollups`)."""

from __future__ import annotations

from sqlalchemy import Float, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from telemetry.store.models import BIG, Base

NO_ROWID = {"sqlite_with_rowid": False}
"""The primary key is the table: one B-tree for SQLite instead of two."""


class SeriesRow(Base):
    """A dimension of the roll-ups: model, engine configuration, context bucket; '' stands for "not known".

    Roll-ups refer to it without a foreign key, which a server would look up for each row that is added; none
    is ever deleted.
    """

    __tablename__ = "series"
    __table_args__ = (Index("ux_series", "model", "engine_config_id", "context_bucket", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    model: Mapped[str] = mapped_column(String(200))
    engine_config_id: Mapped[str] = mapped_column(String(32))
    context_bucket: Mapped[str] = mapped_column(String(16))


class RollupRow(Base):
    """Counters of one minute (`minute` = Unix time ÷ 60, by the request's end) of one series."""

    __tablename__ = "rollups"
    __table_args__ = (Index("ix_rollups_series_minute", "series_id", "minute"), NO_ROWID)

    minute: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    series_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    requests: Mapped[int]
    errors: Mapped[int]
    failures: Mapped[int] = mapped_column(server_default="0")
    """Errors that were ours (`telemetry.semconv.SERVER_FAILURES`), a part of `errors`."""
    cancelled: Mapped[int]
    prompt_tokens: Mapped[int] = mapped_column(BIG)
    cached_tokens: Mapped[int] = mapped_column(BIG)
    completion_tokens: Mapped[int] = mapped_column(BIG)
    energy_requests: Mapped[int] = mapped_column(server_default="0")
    """Requests whose energy was measured: `energy_j` is theirs, and `energy_tokens` are their output
    tokens.
    """
    energy_j: Mapped[float] = mapped_column(Float, server_default="0")
    energy_tokens: Mapped[int] = mapped_column(BIG, server_default="0")
    cost_requests: Mapped[int] = mapped_column(server_default="0")
    """Requests that have a cost: `cost` is theirs."""
    cost: Mapped[float] = mapped_column(Float, server_default="0")


class HistogramRow(Base):
    """One bucket of one minute's histogram of one measure (`telemetry.histogram`; measures in
    `telemetry.store.rollups.measures`).
    """

    __tablename__ = "rollup_histograms"
    __table_args__ = NO_ROWID

    minute: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    series_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    measure: Mapped[str] = mapped_column(String(16), primary_key=True)
    bucket: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    count: Mapped[int]


class CacheRollupRow(Base):
    """Lookups in the prefix cache of one minute of one series, by reason and by the tier that the hit came
    from.

    `computed_us` is the time of the prefill that computed what was missed.
    """

    __tablename__ = "rollup_cache"
    __table_args__ = NO_ROWID

    minute: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    series_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason: Mapped[str] = mapped_column(String(24), primary_key=True)
    source: Mapped[str] = mapped_column(String(8), primary_key=True)
    lookups: Mapped[int]
    cached_tokens: Mapped[int] = mapped_column(BIG)
    computed_tokens: Mapped[int] = mapped_column(BIG)
    computed_us: Mapped[int] = mapped_column(BIG)


class PhaseRollupRow(Base):
    """Where the time of one minute's requests of one series went: microseconds by phase, each moment counted
    once.

    `phase` is one of `telemetry.events.Phase` or `unaccounted`, which every request has; `requests` had the
    phase.
    """

    __tablename__ = "rollup_phases"
    __table_args__ = NO_ROWID

    minute: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    series_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    phase: Mapped[str] = mapped_column(String(16), primary_key=True)
    requests: Mapped[int]
    time_us: Mapped[int] = mapped_column(BIG)
