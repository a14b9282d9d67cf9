"""Roll-ups refer to their series without a foreign key: a server looked each of them up for every row that
was added, which took it longer than the row itself. Series are never deleted, and `firsttoken db verify`
looks for lost ones.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | None = None
depends_on: str | None = None

TABLES = tuple(
    f"{length}rollup{kind}" for length in ("", "long_") for kind in ("s", "_histograms", "_cache", "_phases")
)
NAMES = {"fk": "%(table_name)s_%(column_0_name)s_fkey"}
"""As PostgreSQL calls them; SQLite's have no name, and are given these when a table is copied."""


def upgrade() -> None:
    for table in TABLES:
        if op.get_bind().dialect.name == "sqlite":
            with op.batch_alter_table(
                table, recreate="always", naming_convention=NAMES, table_kwargs={"sqlite_with_rowid": False}
            ) as copied:
                copied.drop_constraint(f"{table}_series_id_fkey", type_="foreignkey")
        else:
            op.execute(sa.text(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {table}_series_id_fkey"))


def downgrade() -> None:
    for table in TABLES:
        with op.batch_alter_table(
            table, recreate="auto", table_kwargs={"sqlite_with_rowid": False}
        ) as copied:
            copied.create_foreign_key(f"{table}_series_id_fkey", "series", ["series_id"], ["id"])
