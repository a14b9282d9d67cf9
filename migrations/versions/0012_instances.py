"""Gateways that share a database: who they are, and whose each request is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from telemetry.store.models import BIG

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "instances",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("host", sa.String(200), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("born", BIG, nullable=False),
        sa.Column("seen_s", BIG, nullable=False),
        sa.Column("batches", BIG, nullable=False),
    )
    op.add_column("requests", sa.Column("instance_id", sa.String(32)))


def downgrade() -> None:
    op.drop_column("requests", "instance_id")
    op.drop_table("instances")
