"""What requests waited for: `request_delays`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from telemetry.store.models import BIG

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "request_delays",
        sa.Column(
            "seq",
            BIG,
            sa.ForeignKey("requests.seq", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("rank", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("by_seq", BIG),
        sa.Column("model", sa.String(200)),
        sa.Column("total_us", BIG, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("longest_us", BIG, nullable=False),
        sa.Column("longest_at_us", BIG, nullable=False),
    )
    op.create_index("ix_request_delays_by_seq", "request_delays", ["by_seq"])


def downgrade() -> None:
    op.drop_table("request_delays")
