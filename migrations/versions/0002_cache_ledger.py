"""What the prefix cache gave and missed, by reason: `rollup_cache`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from telemetry.store.models import BIG

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "rollup_cache",
        sa.Column("minute", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("series_id", sa.Integer, sa.ForeignKey("series.id"), primary_key=True, autoincrement=False),
        sa.Column("reason", sa.String(24), primary_key=True),
        sa.Column("source", sa.String(8), primary_key=True),
        sa.Column("lookups", sa.Integer, nullable=False),
        sa.Column("cached_tokens", BIG, nullable=False),
        sa.Column("computed_tokens", BIG, nullable=False),
        sa.Column("computed_us", BIG, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("rollup_cache")
