"""Where the time of requests went, by phase: `rollup_phases`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from telemetry.store.models import BIG

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "rollup_phases",
        sa.Column("minute", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("series_id", sa.Integer, sa.ForeignKey("series.id"), primary_key=True, autoincrement=False),
        sa.Column("phase", sa.String(16), primary_key=True),
        sa.Column("requests", sa.Integer, nullable=False),
        sa.Column("time_us", BIG, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("rollup_phases")
