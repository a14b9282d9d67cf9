"""The turns of a conversation are found without reading all requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | None = None
depends_on: str | None = None

NAME = "ix_requests_conversation_seq"
NAMED = sa.text("conversation_id IS NOT NULL")


def upgrade() -> None:
    op.create_index(NAME, "requests", ["conversation_id", "seq"], sqlite_where=NAMED, postgresql_where=NAMED)


def downgrade() -> None:
    op.drop_index(NAME, "requests")
