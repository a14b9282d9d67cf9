"""The first tables: engine configurations, requests, their phases, and roll-ups."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from telemetry.store.models import BIG

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    _engine_config()
    _requests()
    _rollups()


def _engine_config() -> None:
    op.create_table(
        "engine_config",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("model_digest", sa.String(64), nullable=False),
        sa.Column("quantisation", sa.String(32), nullable=False),
        sa.Column("architecture", sa.String(64), nullable=False),
        sa.Column("parameters", BIG, nullable=False),
        sa.Column("kv_type_k", sa.String(16), nullable=False),
        sa.Column("kv_type_v", sa.String(16), nullable=False),
        sa.Column("flash_attention", sa.String(16), nullable=False),
        sa.Column("threads", sa.Integer, nullable=False),
        sa.Column("n_ctx", sa.Integer, nullable=False),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("n_batch", sa.Integer, nullable=False),
        sa.Column("n_ubatch", sa.Integer, nullable=False),
        sa.Column("llama_cpp_build", sa.String(64), nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
    )


def _requests() -> None:
    figures = ["queue", "tokenize", "prefill", "ttft", "ttfb", "decode"]
    op.create_table(
        "requests",
        sa.Column("seq", BIG, primary_key=True, autoincrement=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model", sa.String(200)),
        sa.Column("api", sa.String(32), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("error_type", sa.String(64)),
        sa.Column("error_message", sa.Text),
        sa.Column("stream", sa.Boolean, nullable=False),
        sa.Column("http_status", sa.Integer),
        sa.Column("conversation_id", sa.String(128)),
        sa.Column("prompt_tokens", sa.Integer),
        sa.Column("cached_tokens", sa.Integer),
        sa.Column("cache_source", sa.String(8)),
        sa.Column("cache_reason", sa.String(24)),
        sa.Column("completion_tokens", sa.Integer),
        sa.Column("context_bucket", sa.String(16)),
        *(sa.Column(f"{figure}_ms", sa.Float) for figure in figures),
        sa.Column("decode_tps", sa.Float),
        sa.Column("prefill_tps", sa.Float),
        sa.Column("itl_p50_ms", sa.Float),
        sa.Column("itl_p95_ms", sa.Float),
        sa.Column("itl_max_ms", sa.Float),
        sa.Column("stalls", sa.Integer),
        sa.Column("total_ms", sa.Float),
        sa.Column("unaccounted_ms", sa.Float),
        sa.Column("overhead_ms", sa.Float),
        sa.Column("engine_config_id", sa.String(32), sa.ForeignKey("engine_config.id")),
        sa.Column("trace_id", sa.String(32), nullable=False),
        sa.Column("response_id", sa.String(64)),
        sa.Column("finish_reason", sa.String(24)),
        sa.Column("params", sa.JSON, nullable=False),
    )
    op.create_index("ix_requests_id", "requests", ["id"])
    op.create_index("ix_requests_model_seq", "requests", ["model", "seq"])
    op.create_index("ix_requests_status_seq", "requests", ["status", "seq"])
    op.create_table(
        "request_phases",
        sa.Column("seq", BIG, sa.ForeignKey("requests.seq", ondelete="CASCADE"), primary_key=True),
        sa.Column("phases", sa.LargeBinary, nullable=False),
    )


def _rollups() -> None:
    op.create_table(
        "series",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("model", sa.String(200), nullable=False),
        sa.Column("engine_config_id", sa.String(32), nullable=False),
        sa.Column("context_bucket", sa.String(16), nullable=False),
    )
    op.create_index("ux_series", "series", ["model", "engine_config_id", "context_bucket"], unique=True)
    op.create_table(
        "rollups",
        sa.Column("minute", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("series_id", sa.Integer, sa.ForeignKey("series.id"), primary_key=True, autoincrement=False),
        sa.Column("requests", sa.Integer, nullable=False),
        sa.Column("errors", sa.Integer, nullable=False),
        sa.Column("cancelled", sa.Integer, nullable=False),
        sa.Column("prompt_tokens", BIG, nullable=False),
        sa.Column("cached_tokens", BIG, nullable=False),
        sa.Column("completion_tokens", BIG, nullable=False),
    )
    op.create_table(
        "rollup_histograms",
        sa.Column("minute", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("series_id", sa.Integer, sa.ForeignKey("series.id"), primary_key=True, autoincrement=False),
        sa.Column("measure", sa.String(16), primary_key=True),
        sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("count", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    for table in ("rollup_histograms", "rollups", "series", "request_phases", "requests", "engine_config"):
        op.drop_table(table)
