"""What the regression watch found: `speed_changes`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "speed_changes",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("context_bucket", sa.String(16), nullable=False),
        sa.Column("measure", sa.String(16), nullable=False),
        sa.Column("before_config_id", sa.String(32), nullable=False),
        sa.Column("after_config_id", sa.String(32), nullable=False),
        sa.Column("before", sa.Float, nullable=False),
        sa.Column("after", sa.Float, nullable=False),
        sa.Column("before_count", sa.Integer, nullable=False),
        sa.Column("after_count", sa.Integer, nullable=False),
        sa.Column("p_value", sa.Float, nullable=False),
    )
    op.create_index(
        "ux_speed_changes",
        "speed_changes",
        ["before_config_id", "after_config_id", "context_bucket", "measure"],
        unique=True,
    )


def downgrade() -> None:
    op.drop_table("speed_changes")
