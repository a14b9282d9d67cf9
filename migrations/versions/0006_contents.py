"""What was said in requests, where it is kept: `request_contents`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from telemetry.store.models import BIG

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.create_table(
        "request_contents",
        sa.Column(
            "seq",
            BIG,
            sa.ForeignKey("requests.seq", ondelete="CASCADE"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("size_bytes", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_request_contents_size_bytes", "request_contents", ["size_bytes"])


def downgrade() -> None:
    op.drop_table("request_contents")
