"""The record of one request: stamped while it runs, and the figures that follow from the stamps.

All `_ns` are CLOCK_MONOTONIC nanoseconds (one clock for the gateway and its engines); None means "not
measured". Only the gateway's event loop writes to a record; sinks read it. Energy and cost alone are known
after its end, and written by `telemetry.energy.meter` and by the store's writer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, repeat

from telemetry.client_kinds import OTHER
from telemetry.clock import ClockAnchor
from telemetry.content import Content
from telemetry.events import (
    CacheOutcome,
    CacheReason,
    DelayCause,
    Phase,
    PhaseTiming,
    PrefillChunk,
    RequestDelay,
    Scalar,
    Status,
)
from telemetry.trace_ids import TraceIds

STALL_FACTOR = 4
"""An inter-token gap above this multiple of the median is a stall (`firsttoken.decode`), and so is one above
the objective for gaps: where everything is slow, the median is no measure of it.
"""

ENGINE_PHASES = frozenset(
    {Phase.MODEL_LOAD, Phase.RENDER, Phase.TOKENIZE, Phase.CACHE_LOOKUP, Phase.QUEUE}
    | {Phase.CACHE_RESTORE, Phase.PREFILL, Phase.DECODE}
)
"""Phases spent in or waiting for the engine: everything but the gateway's own work."""

NOT_KEPT = frozenset({CacheReason.DISABLED, CacheReason.UNSUPPORTED})
"""Where the prefix cache is not used."""

COMPUTING = frozenset({Phase.PREFILL, Phase.DECODE})
"""Phases in which a request's own tokens are computed."""


@dataclass(slots=True)
class RequestRecord:
    """Everything known about one request.

    `seq` orders all records of a store by time of admission (see `Recorder`). `model` is what the client
    asked for (None when it named none that we could read), `response_model` what answered, `engine` the model
    of the engine that it was handed to, `provider` who runs that (`gen_ai.provider.name`). `params` holds
    sampling parameters under their `gen_ai.request.*` last names. `client_blocked_ns` is time spent waiting
    for the client to take bytes, `client_blocked_tail_ns` the part of it after the last token. `slow_gap_ms`
    is the objective for gaps between tokens when the request came. `content` is what was said, where that is
    kept. `ignored_fields` are what the client sent and the API did not obey, by path (see
    `telemetry.ignored_fields`). `path` is the URL's path as it was sent, `server_address` and `server_port`
    whom the client took us for, `client` its kind (see `telemetry.client_kinds`).
    """

    seq: int
    request_id: str
    trace: TraceIds
    anchor: ClockAnchor
    started_ns: int
    method: str
    route: str
    api: str
    operation: str
    model: str | None = None
    response_model: str | None = None
    engine: str | None = None
    provider: str | None = None
    response_id: str | None = None
    conversation_id: str | None = None
    stream: bool = False
    params: dict[str, Scalar] = field(default_factory=dict)
    baggage: dict[str, str] = field(default_factory=dict)
    path: str = ""
    server_address: str = ""
    server_port: int | None = None
    client: str = OTHER
    phases: list[PhaseTiming] = field(default_factory=list)
    chunks: list[PrefillChunk] = field(default_factory=list)
    current_phase: Phase = Phase.ADMIT
    status: Status = Status.RUNNING
    error_type: str | None = None
    error_message: str | None = None
    http_status: int | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    prefilled_tokens: int | None = None
    completion_tokens: int | None = None
    cache: CacheOutcome | None = None
    predicted_ttft_ms: float | None = None
    dropped_messages: Sequence[int] = ()
    dropped_tokens: int | None = None
    ignored_fields: Sequence[str] = ()
    context_bucket: str | None = None
    engine_config_id: str | None = None
    first_token_ns: int | None = None
    last_token_ns: int | None = None
    first_chunk_ns: int | None = None
    first_reasoning_ns: int | None = None
    first_content_ns: int | None = None
    first_call_ns: int | None = None
    reasoning_tokens: int | None = None
    tool_calls: int = 0
    gaps_us: Sequence[int] = ()
    bursts: Sequence[int] = ()
    slow_gap_ms: float | None = None
    delayed_by: Sequence[RequestDelay] = ()
    delayed: Sequence[RequestDelay] = ()
    client_blocked_ns: int = 0
    client_blocked_tail_ns: int = 0
    ended_ns: int | None = None
    energy_j: float | None = None
    cost: float | None = None
    content: Content | None = None
    _sorted_gaps: tuple[Sequence[int], Sequence[int]] = field(default=((), ()), repr=False, compare=False)
    """`gaps_us`, and the same sorted: every sink asks for quantiles of them."""

    def phase(self, phase: Phase) -> PhaseTiming | None:
        """The timing of a phase, or None when it did not happen."""
        for timing in self.phases:
            if timing.phase is phase:
                return timing
        return None

    def phase_ms(self, phase: Phase) -> float | None:
        """Milliseconds of a phase, or None when it did not happen."""
        timing = self.phase(phase)
        return None if timing is None else (timing.end_ns - timing.start_ns) / 1e6

    @property
    def cached_tokens(self) -> int | None:
        """Prompt tokens that the prefix cache supplied."""
        return None if self.cache is None else self.cache.matched_tokens

    @property
    def computed_tokens(self) -> int | None:
        """Prompt tokens that prefill computed."""
        if self.prompt_tokens is None or self.cached_tokens is None or self.first_token_ns is None:
            return None
        return self.prompt_tokens - self.cached_tokens

    @property
    def cache_written_tokens(self) -> int | None:
        """Prompt tokens that were computed and stay in the prefix cache; None where that is off."""
        return None if self.cache is None or self.cache.reason in NOT_KEPT else self.computed_tokens

    @property
    def operation_ns(self) -> tuple[int, int] | None:
        """When the operation itself, which is all phases but admission, began and ended; None of a request
        that was refused.
        """
        inner = [timing for timing in self.phases if timing.phase is not Phase.ADMIT]
        if not inner:
            return None
        return min(timing.start_ns for timing in inner), max(timing.end_ns for timing in inner)

    @property
    def first_chunk_ms(self) -> float | None:
        """`ttfb_ms` of a stream that began: what says why there is none is no chunk of it."""
        began = self.first_token_ns is not None or self.status is Status.OK
        return self.ttfb_ms if self.stream and began else None

    @property
    def total_ms(self) -> float | None:
        """Wall time, first byte read to last byte written."""
        return None if self.ended_ns is None else (self.ended_ns - self.started_ns) / 1e6

    @property
    def ttft_ms(self) -> float | None:
        """First byte of the request read → first token sampled."""
        return None if self.first_token_ns is None else (self.first_token_ns - self.started_ns) / 1e6

    @property
    def ttfb_ms(self) -> float | None:
        """First byte of the request read → first byte of the answer written."""
        return None if self.first_chunk_ns is None else (self.first_chunk_ns - self.started_ns) / 1e6

    @property
    def decode_tps(self) -> float | None:
        """Output tokens per second: (tokens - 1) ÷ (last - first token); None for one-token answers."""
        if self.first_token_ns is None or self.last_token_ns is None or (self.completion_tokens or 0) < 2:
            return None
        seconds = (self.last_token_ns - self.first_token_ns) / 1e9
        return (self.completion_tokens - 1) / seconds if seconds > 0 and self.completion_tokens else None

    @property
    def prefill_tps(self) -> float | None:
        """Computed (uncached) prompt tokens per second of prefill."""
        milliseconds = self.phase_ms(Phase.PREFILL)
        if not milliseconds or not self.computed_tokens:
            return None
        return self.computed_tokens / milliseconds * 1e3

    @property
    def contention_share(self) -> float | None:
        """Share of its time in the engine that other programs' use of the cores cost (estimated); None
        where they cost nothing.
        """
        lost_ns = sum(delay.total_ns for delay in self.delayed_by if delay.cause is DelayCause.CONTENTION)
        computing = (timing for timing in self.phases if timing.phase in COMPUTING)
        engine_ns = covered_ns(computing, self.started_ns, self.ended_ns or 0)
        return min(1.0, lost_ns / engine_ns) if lost_ns and engine_ns else None

    def gap_ms(self, q: float) -> float | None:
        """The q-quantile of the gaps between sampled tokens (nearest rank), or None with fewer than two
        tokens.
        """
        if not self.gaps_us:
            return None
        if self._sorted_gaps[0] is not self.gaps_us:
            self._sorted_gaps = self.gaps_us, sorted(self.gaps_us)
        return _nearest_rank(self._sorted_gaps[1], q) / 1e3

    @property
    def stalls(self) -> int:
        """How often the answer stood still: for longer than `STALL_FACTOR` times the median gap, or than
        the objective for gaps.
        """
        return len(self.stalled_gaps())

    def stalled_gaps(self) -> list[tuple[int, int]]:
        """When each stall began (monotonic nanoseconds), and how long it was (ns).

        Where steps bring several tokens (accepted guesses), a wait is a stall if it was long for a wait, and
        long for the tokens that it brought: neither a step of many tokens is one, nor one of a single token
        among them. The objective is about gaps, in which those tokens share the wait.
        """
        if not self.gaps_us:
            return []
        waits = list(self.waits())
        longest_gap = STALL_FACTOR * _nearest_rank(sorted(self.gaps_us), 0.5)
        longest_wait = STALL_FACTOR * _nearest_rank(sorted(wait for _, wait, _ in waits), 0.5)
        zero_ns = self.first_token_ns or 0
        slow_gap = math.inf if self.slow_gap_ms is None else self.slow_gap_ms * 1e3
        stalled = (
            (begun, wait)
            for begun, wait, tokens in waits
            if (wait > longest_wait and wait > longest_gap * tokens) or wait > slow_gap * tokens
        )
        return [(zero_ns + begun * 1000, wait * 1000) for begun, wait in stalled]

    def waits(self) -> Iterator[tuple[int, int, int]]:
        """For each step after the first token: when the wait for it began (microseconds from there), how
        long, and tokens that came.
        """
        gaps, begun = iter(self.gaps_us), 0
        for tokens in self.bursts or repeat(1, len(self.gaps_us)):
            wait = sum(islice(gaps, tokens))
            yield begun, wait, tokens
            begun += wait

    @property
    def unaccounted_ms(self) -> float | None:
        """Wall time that no phase covers; overlapping phases count once."""
        if self.ended_ns is None:
            return None
        covered = covered_ns(self.phases, self.started_ns, self.ended_ns)
        return (self.ended_ns - self.started_ns - covered) / 1e6

    @property
    def overhead_ms(self) -> float | None:
        """The gateway's own time: wall minus engine phases, queue and waiting for the client after the
        last token.
        """
        if self.ended_ns is None:
            return None
        elsewhere = [timing for timing in self.phases if timing.phase in ENGINE_PHASES]
        covered = covered_ns(elsewhere, self.started_ns, self.ended_ns)
        return max(0.0, (self.ended_ns - self.started_ns - covered - self.client_blocked_tail_ns) / 1e6)


def _nearest_rank(ordered: Sequence[int], q: float) -> int:
    """The q-quantile of values in order."""
    return ordered[max(0, -int(-q * len(ordered) // 1) - 1)]


def covered_ns(phases: Iterable[PhaseTiming], start_ns: int, end_ns: int) -> int:
    """Nanoseconds of [start, end] that at least one phase covers."""
    covered, reached = 0, start_ns
    for timing in sorted(phases, key=lambda timing: timing.start_ns):
        begin, end = max(timing.start_ns, reached), min(timing.end_ns, end_ns)
        if end > begin:
            covered += end - begin
            reached = end
    return covered
