"""Who answered: the provider of each request."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    op.add_column("requests", sa.Column("provider", sa.String(32)))


def downgrade() -> None:
    op.drop_column("requests", "provider")
