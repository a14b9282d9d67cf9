"""One request's phases as one compact msgpack value: what the Request page draws.

All times are microseconds since the first byte of the request was read (`RequestRecord.started_ns`).
"""

from __future__ import annotations

import msgspec

from telemetry.events import Phase, Scalar
from telemetry.record import RequestRecord

MAX_CHUNKS = 512
"""Prefill chunks kept per request; of a longer prompt the first ones are."""


class StoredPhase(msgspec.Struct, frozen=True, array_like=True):
    """One phase; `attributes` under the short keys of `telemetry.events.PhaseTiming`."""

    phase: Phase
    start_us: int
    end_us: int
    attributes: dict[str, Scalar] = {}


class StoredChunk(msgspec.Struct, frozen=True, array_like=True):
    """One engine step's share of the prompt."""

    start_us: int
    end_us: int
    tokens: int
    sequences: int


class StoredGaps(msgspec.Struct, frozen=True, array_like=True):
    """The gaps between sampled tokens, summed up."""

    count: int
    p50_us: int
    p95_us: int
    max_us: int
    stalls: int


class StoredPhases(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything kept about a request's course; None means "not measured"."""

    total_us: int
    phases: tuple[StoredPhase, ...]
    chunks: tuple[StoredChunk, ...] = ()
    chunks_left_out: int = 0
    first_token_us: int | None = None
    last_token_us: int | None = None
    first_chunk_us: int | None = None
    client_blocked_us: int = 0
    gaps: StoredGaps | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(StoredPhases)


def encode(record: RequestRecord) -> bytes:
    """The stored form of a completed record."""
    zero = record.started_ns

    def offset(at_ns: int) -> int:
        return round((at_ns - zero) / 1e3)

    def measured(at_ns: int | None) -> int | None:
        return None if at_ns is None else offset(at_ns)

    return _encoder.encode(
        StoredPhases(
            total_us=offset(record.ended_ns or zero),
            phases=tuple(
                StoredPhase(p.phase, offset(p.start_ns), offset(p.end_ns), p.attributes)
                for p in record.phases
            ),
            chunks=tuple(
                StoredChunk(offset(c.start_ns), offset(c.end_ns), c.tokens, c.sequences)
                for c in record.chunks[:MAX_CHUNKS]
            ),
            chunks_left_out=max(0, len(record.chunks) - MAX_CHUNKS),
            first_token_us=measured(record.first_token_ns),
            last_token_us=measured(record.last_token_ns),
            first_chunk_us=measured(record.first_chunk_ns),
            client_blocked_us=record.client_blocked_ns // 1000,
            gaps=_gaps(record),
        )
    )


def decode(stored: bytes) -> StoredPhases:
    """Read it back.

    Raises:
        msgspec.DecodeError: the bytes are not of this form.
    """
    return _decoder.decode(stored)


def _gaps(record: RequestRecord) -> StoredGaps | None:
    if not record.gaps_us:
        return None
    p50, p95, longest = (round((record.gap_ms(q) or 0.0) * 1e3) for q in (0.5, 0.95, 1.0))
    return StoredGaps(len(record.gaps_us), p50, p95, longest, record.stalls)
