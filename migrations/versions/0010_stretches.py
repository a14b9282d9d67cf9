"""Roll-ups of longer stretches, for windows of days and months: the compaction fills them from the minutes
that are there.

Also indexes for requests by prompt size and for turns of conversations in order, and half the size for
minutes in SQLite.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from telemetry.store.models import BIG

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | None = None
depends_on: str | None = None

NAMED = sa.text("conversation_id IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "rollup_marks", _key("minutes", sa.Integer), sa.Column("until", sa.Integer, nullable=False)
    )
    _create("long_rollups", [], _counters())
    lookups = [
        sa.Column("lookups", sa.Integer, nullable=False),
        *_big("cached_tokens", "computed_tokens", "computed_us"),
    ]
    _create("long_rollup_cache", [_key("reason", sa.String(24)), _key("source", sa.String(8))], lookups)
    times = [sa.Column("requests", sa.Integer, nullable=False), *_big("time_us")]
    _create("long_rollup_phases", [_key("phase", sa.String(16))], times)
    op.create_table(
        "long_rollup_histograms",
        sa.Column("minutes", sa.Integer, nullable=False),
        sa.Column("measure", sa.String(16), nullable=False),
        sa.Column("minute", sa.Integer, nullable=False),
        sa.Column("series_id", sa.Integer, sa.ForeignKey("series.id"), nullable=False),
        sa.Column("buckets", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("minutes", "measure", "minute", "series_id"),
        sqlite_with_rowid=False,
    )
    _recreate(with_rowid=False)
    op.create_index("ix_rollups_series_minute", "rollups", ["series_id", "minute"])
    op.create_index("ix_requests_context_seq", "requests", ["context_bucket", "seq"])
    op.create_index(
        "ix_requests_turns",
        "requests",
        ["seq", "conversation_id"],
        sqlite_where=NAMED,
        postgresql_where=NAMED,
    )


def downgrade() -> None:
    op.drop_index("ix_requests_turns", "requests")
    op.drop_index("ix_requests_context_seq", "requests")
    op.drop_index("ix_rollups_series_minute", "rollups")
    _recreate(with_rowid=True)
    for table in (
        "long_rollup_histograms",
        "long_rollup_phases",
        "long_rollup_cache",
        "long_rollups",
        "rollup_marks",
    ):
        op.drop_table(table)


def _create(name: str, keys: list[sa.Column[Any]], values: list[sa.Column[Any]]) -> None:
    series = sa.Column(
        "series_id", sa.Integer, sa.ForeignKey("series.id"), primary_key=True, autoincrement=False
    )
    op.create_table(
        name,
        _key("minutes", sa.Integer),
        _key("minute", sa.Integer),
        series,
        *keys,
        *values,
        sqlite_with_rowid=False,
    )


def _recreate(*, with_rowid: bool) -> None:
    """The minutes' tables with their primary key as the table itself, or beside it; only SQLite knows the
    difference.
    """
    if op.get_bind().dialect.name == "sqlite":
        for table in ("rollups", "rollup_histograms", "rollup_cache", "rollup_phases"):
            with op.batch_alter_table(
                table, recreate="always", table_kwargs={"sqlite_with_rowid": with_rowid}
            ):
                pass


def _key(name: str, kind: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


def _big(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, BIG, nullable=False) for name in names]


def _counters() -> list[sa.Column[Any]]:
    plain = [
        sa.Column(name, sa.Integer, nullable=False)
        for name in ("requests", "errors", "failures", "cancelled")
    ]
    tokens = _big("prompt_tokens", "cached_tokens", "completion_tokens")
    counts = [sa.Column(name, sa.Integer, nullable=False) for name in ("energy_requests", "cost_requests")]
    return [
        *plain,
        *tokens,
        *counts,
        *_big("energy_tokens"),
        *(sa.Column(name, sa.Float, nullable=False) for name in ("energy_j", "cost")),
    ]
