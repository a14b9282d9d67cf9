"""Fields of requests that were taken and not obeyed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.add_column("requests", sa.Column("ignored_fields", sa.JSON(none_as_null=True)))


def downgrade() -> None:
    op.drop_column("requests", "ignored_fields")
