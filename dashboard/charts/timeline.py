"""The phases of one request on one axis: milliseconds since its first byte, whether it runs or is stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from telemetry.events import Phase, PhaseTiming, PrefillChunk, Scalar
from telemetry.record import RequestRecord
from telemetry.store.phases import StoredPhases

PHASE_LABELS = {
    Phase.ADMIT: "admit",
    Phase.MODEL_LOAD: "model load",
    Phase.RENDER: "render",
    Phase.TOKENIZE: "tokenize",
    Phase.CACHE_LOOKUP: "cache lookup",
    Phase.QUEUE: "queue",
    Phase.CACHE_RESTORE: "cache restore",
    Phase.PREFILL: "prefill",
    Phase.DECODE: "decode",
    Phase.STREAM: "stream",
}
"""Phases as pages call them, in the order of a request's life."""


@dataclass(frozen=True, slots=True)
class TimedPhase:
    """One phase; `running` while it has not ended (its end is then the present)."""

    phase: Phase
    start_ms: float
    end_ms: float
    attributes: Mapping[str, Scalar] = field(default_factory=dict)
    running: bool = False


@dataclass(frozen=True, slots=True)
class TimedChunk:
    """One engine step's share of the prompt."""

    start_ms: float
    end_ms: float
    tokens: int
    sequences: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """All phases of a request; `wall_ms` is its whole time, or its time so far."""

    wall_ms: float
    phases: tuple[TimedPhase, ...] = ()
    chunks: tuple[TimedChunk, ...] = ()
    first_token_ms: float | None = None
    chunks_left_out: int = 0

    def gaps(self) -> list[tuple[float, float]]:
        """The spans of [0, wall] that no phase covers, (start, end) in ms; overlapping phases cover once."""
        found, reached = [], 0.0
        for timed in sorted(self.phases, key=lambda timed: timed.start_ms):
            if timed.start_ms > reached:
                found.append((reached, min(timed.start_ms, self.wall_ms)))
            reached = max(reached, timed.end_ms)
        if reached < self.wall_ms:
            found.append((reached, self.wall_ms))
        return [(start, end) for start, end in found if end > start]

    @property
    def unaccounted_ms(self) -> float:
        """Wall time that no phase covers."""
        return sum(end - start for start, end in self.gaps())

    @property
    def covered_ms(self) -> float:
        """Wall time that at least one phase covers."""
        return self.wall_ms - self.unaccounted_ms


def of_record(record: RequestRecord, now_ns: int) -> Timeline:
    """The timeline of a request that runs: finished phases, and those under way open to the present."""
    wall_ms = max(0, (record.ended_ns or now_ns) - record.started_ns) / 1e6
    phases = [_timed(timing, record) for timing in record.phases]
    if record.ended_ns is None:
        phases += _under_way(record, wall_ms, phases)
    chunks = tuple(_timed_chunk(chunk, record) for chunk in record.chunks)
    return Timeline(wall_ms, tuple(phases), chunks, _first_token_ms(record))


def _under_way(record: RequestRecord, wall_ms: float, done: Iterable[TimedPhase]) -> list[TimedPhase]:
    """The phases under way: an engine tells of prefill and decode at their end, the stream ends last.

    Each begins where the one before it ended: prefill with the last phase that is known, decode and stream
    with the first token.
    """
    known = {timed.phase: timed.end_ms for timed in done}
    reached_ms = min(max(known.values(), default=0.0), wall_ms)
    first_ms = _first_token_ms(record)
    sampled_ms = None if first_ms is None else min(first_ms, wall_ms)
    begun_ms = reached_ms if sampled_ms is None else sampled_ms
    found: list[TimedPhase] = []
    if sampled_ms is not None and Phase.PREFILL not in known:
        found.append(TimedPhase(Phase.PREFILL, min(reached_ms, sampled_ms), sampled_ms))
    if record.current_phase not in (Phase.STREAM, *known):
        found.append(TimedPhase(record.current_phase, begun_ms, wall_ms, running=True))
    if Phase.STREAM not in known and (sampled_ms is not None or record.current_phase is Phase.STREAM):
        found.append(TimedPhase(Phase.STREAM, begun_ms, wall_ms, running=True))
    return found


def _first_token_ms(record: RequestRecord) -> float | None:
    return None if record.first_token_ns is None else (record.first_token_ns - record.started_ns) / 1e6


def _timed(timing: PhaseTiming, record: RequestRecord) -> TimedPhase:
    start_ms = (timing.start_ns - record.started_ns) / 1e6
    end_ms = (timing.end_ns - record.started_ns) / 1e6
    return TimedPhase(timing.phase, start_ms, end_ms, timing.attributes)


def _timed_chunk(chunk: PrefillChunk, record: RequestRecord) -> TimedChunk:
    start_ms = (chunk.start_ns - record.started_ns) / 1e6
    end_ms = (chunk.end_ns - record.started_ns) / 1e6
    return TimedChunk(start_ms, end_ms, chunk.tokens, chunk.sequences)


def of_stored(stored: StoredPhases) -> Timeline:
    """The timeline of a recorded request."""
    phases = tuple(TimedPhase(p.phase, p.start_us / 1e3, p.end_us / 1e3, p.attributes) for p in stored.phases)
    chunks = tuple(TimedChunk(c.start_us / 1e3, c.end_us / 1e3, c.tokens, c.sequences) for c in stored.chunks)
    first = None if stored.first_token_us is None else stored.first_token_us / 1e3
    return Timeline(stored.total_us / 1e3, phases, chunks, first, stored.chunks_left_out)
