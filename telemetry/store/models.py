"""Tables of requests, engines and instances; those of the roll-ups are in `telemetry.store.rollup_models`.

NULL means "not measured". Alembic's head must equal the tables of both files (a test compares them).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

BIG = BigInteger().with_variant(Integer, "sqlite")
"""64-bit everywhere; SQLite's INTEGER is 64-bit, and only that name makes a rowid primary key."""

NAMED = text("conversation_id IS NOT NULL")
"""Rows of the index of conversations: most requests name none, and cost it nothing."""


class Base(DeclarativeBase):
    """All tables of the store."""


class EngineConfigRow(Base):
    """One engine configuration that ever served: what decides its speed, under the fingerprint `id`."""

    __tablename__ = "engine_config"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    first_seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    model: Mapped[str] = mapped_column(String(200))
    model_digest: Mapped[str] = mapped_column(String(64))
    quantisation: Mapped[str] = mapped_column(String(32))
    architecture: Mapped[str] = mapped_column(String(64))
    parameters: Mapped[int] = mapped_column(BIG)
    kv_type_k: Mapped[str] = mapped_column(String(16))
    kv_type_v: Mapped[str] = mapped_column(String(16))
    flash_attention: Mapped[str] = mapped_column(String(16))
    threads: Mapped[int]
    n_ctx: Mapped[int]
    slots: Mapped[int]
    n_batch: Mapped[int]
    n_ubatch: Mapped[int]
    llama_cpp_build: Mapped[str] = mapped_column(String(64))
    details: Mapped[dict[str, object]] = mapped_column(JSON)
    """Every field of `telemetry.events.EngineConfig`."""


class InstanceRow(Base):
    """A gateway that writes to this database, from its start on. Its lease lasts for a while after
    `seen_s`.
    """

    __tablename__ = "instances"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    host: Mapped[str] = mapped_column(String(200))
    """Where its process id means something (`telemetry.process_life`)."""
    pid: Mapped[int]
    born: Mapped[int] = mapped_column(BIG)
    """Tells the process from a later one with its id."""
    seen_s: Mapped[int] = mapped_column(BIG)
    """When it wrote last: seconds since the epoch, by the database's clock."""
    batches: Mapped[int] = mapped_column(BIG)
    """Its transactions: one whose end was not heard of is there if this number says so."""


class RequestRow(Base):
    """One request. Inserted at admission with status `running`, completed at its end."""

    __tablename__ = "requests"
    __table_args__ = (
        Index("ix_requests_id", "id"),
        Index("ix_requests_model_seq", "model", "seq"),
        Index("ix_requests_status_seq", "status", "seq"),
        Index("ix_requests_context_seq", "context_bucket", "seq"),
        Index("ix_requests_turns", "seq", "conversation_id", sqlite_where=NAMED, postgresql_where=NAMED),
        Index(
            "ix_requests_conversation_seq",
            "conversation_id",
            "seq",
            sqlite_where=NAMED,
            postgresql_where=NAMED,
        ),
    )

    seq: Mapped[int] = mapped_column(BIG, primary_key=True, autoincrement=False)
    """Ordered by time of admission; the paging cursor (see `telemetry.recorder.Recorder`)."""
    id: Mapped[str] = mapped_column(String(64))
    """`x-request-id`. A client may send one twice: `seq` is what is unique."""
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    model: Mapped[str | None] = mapped_column(String(200))
    api: Mapped[str] = mapped_column(String(32))
    status: Mapped[str] = mapped_column(String(16))
    error_type: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)
    stream: Mapped[bool]
    http_status: Mapped[int | None]
    conversation_id: Mapped[str | None] = mapped_column(String(128))
    prompt_tokens: Mapped[int | None]
    cached_tokens: Mapped[int | None]
    cache_source: Mapped[str | None] = mapped_column(String(8))
    cache_reason: Mapped[str | None] = mapped_column(String(24))
    completion_tokens: Mapped[int | None]
    context_bucket: Mapped[str | None] = mapped_column(String(16))
    queue_ms: Mapped[float | None] = mapped_column(Float)
    tokenize_ms: Mapped[float | None] = mapped_column(Float)
    prefill_ms: Mapped[float | None] = mapped_column(Float)
    ttft_ms: Mapped[float | None] = mapped_column(Float)
    ttfb_ms: Mapped[float | None] = mapped_column(Float)
    decode_ms: Mapped[float | None] = mapped_column(Float)
    decode_tps: Mapped[float | None] = mapped_column(Float)
    prefill_tps: Mapped[float | None] = mapped_column(Float)
    itl_p50_ms: Mapped[float | None] = mapped_column(Float)
    itl_p95_ms: Mapped[float | None] = mapped_column(Float)
    itl_max_ms: Mapped[float | None] = mapped_column(Float)
    stalls: Mapped[int | None]
    total_ms: Mapped[float | None] = mapped_column(Float)
    unaccounted_ms: Mapped[float | None] = mapped_column(Float)
    overhead_ms: Mapped[float | None] = mapped_column(Float)
    energy_j: Mapped[float | None] = mapped_column(Float)
    """Joules of the counters that were read, by active time (`telemetry.energy`)."""
    cost: Mapped[float | None] = mapped_column(Float)
    """By the prices set when it ended (`telemetry.cost`), in their currency."""
    provider: Mapped[str | None] = mapped_column(String(32))
    """`gen_ai.provider.name` of what answered; NULL where nothing did, and in rows from before it was
    noted.
    """
    engine_config_id: Mapped[str | None] = mapped_column(ForeignKey("engine_config.id"))
    trace_id: Mapped[str] = mapped_column(String(32))
    response_id: Mapped[str | None] = mapped_column(String(64))
    finish_reason: Mapped[str | None] = mapped_column(String(24))
    params: Mapped[dict[str, object]] = mapped_column(JSON)
    """Sampling parameters as sent: numbers and flags only, never content."""
    ignored_fields: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    """Fields that the client sent and the API did not obey; NULL in rows from before they were noted."""
    instance_id: Mapped[str | None] = mapped_column(String(32))
    """The gateway that served it (`instances`, where it is forgotten before its requests are); NULL from
    before there were several.
    """


class PhasesRow(Base):
    """The phases of one request, as one compact msgpack value (see `telemetry.store.phases`)."""

    __tablename__ = "request_phases"

    seq: Mapped[int] = mapped_column(ForeignKey("requests.seq", ondelete="CASCADE"), primary_key=True)
    phases: Mapped[bytes] = mapped_column(LargeBinary)


class DelayRow(Base):
    """Time that one request lost to another (`telemetry.events.RequestDelay`), by `rank` the largest
    first.
    """

    __tablename__ = "request_delays"
    __table_args__ = (Index("ix_request_delays_by_seq", "by_seq"),)

    seq: Mapped[int] = mapped_column(
        ForeignKey("requests.seq", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    rank: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    cause: Mapped[str] = mapped_column(String(16))
    by_seq: Mapped[int | None] = mapped_column(BIG)
    """The other request, which may be forgotten by now; NULL where it was a model's load, of `model`."""
    model: Mapped[str | None] = mapped_column(String(200))
    total_us: Mapped[int] = mapped_column(BIG)
    times: Mapped[int]
    longest_us: Mapped[int] = mapped_column(BIG)
    longest_at_us: Mapped[int] = mapped_column(BIG)
    """Since the request's first byte."""


class ContentRow(Base):
    """What was said in one request, redacted and compressed (see `telemetry.store.contents`); only where a
    setting asks for it.
    """

    __tablename__ = "request_contents"
    __table_args__ = (Index("ix_request_contents_size_bytes", "size_bytes"),)

    seq: Mapped[int] = mapped_column(
        ForeignKey("requests.seq", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    size_bytes: Mapped[int]
    """Of `content`; the index sums them up without reading any."""
    content: Mapped[bytes] = mapped_column(LargeBinary)


class SpeedChangeRow(Base):
    """A speed that changed beyond noise from one engine configuration to the next
    (`telemetry.speed_change.SpeedChange`).
    """

    __tablename__ = "speed_changes"
    __table_args__ = (
        Index(
            "ux_speed_changes",
            "before_config_id",
            "after_config_id",
            "context_bucket",
            "measure",
            unique=True,
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    model: Mapped[str] = mapped_column(String(200))
    context_bucket: Mapped[str] = mapped_column(String(16))
    measure: Mapped[str] = mapped_column(String(16))
    before_config_id: Mapped[str] = mapped_column(String(32))
    after_config_id: Mapped[str] = mapped_column(String(32))
    before: Mapped[float] = mapped_column(Float)
    after: Mapped[float] = mapped_column(Float)
    before_count: Mapped[int]
    after_count: Mapped[int]
    p_value: Mapped[float] = mapped_column(Float)
