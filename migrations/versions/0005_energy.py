"""Energy and cost of requests, and their sums in the roll-ups."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from telemetry.store.models import BIG

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None

SUMS: dict[str, Any] = {
    "energy_requests": sa.Integer(),
    "energy_j": sa.Float(),
    "energy_tokens": BIG,
    "cost_requests": sa.Integer(),
    "cost": sa.Float(),
}


def upgrade() -> None:
    for name in ("energy_j", "cost"):
        op.add_column("requests", sa.Column(name, sa.Float))
    for name, kind in SUMS.items():
        op.add_column("rollups", sa.Column(name, kind, nullable=False, server_default="0"))


def downgrade() -> None:
    for name in SUMS:
        op.drop_column("rollups", name)
    for name in ("energy_j", "cost"):
        op.drop_column("requests", name)
