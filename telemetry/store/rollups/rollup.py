"""Roll-ups: counters and histograms of a minute, merged in
memory before they are added to the database; pure.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np

from telemetry import histogram
from telemetry.events import Phase, Status
from telemetry.record import RequestRecord
from telemetry.semconv import SERVER_FAILURES
from telemetry.store.rollups.measures import Measure
from telemetry.store.rollups.packed import count_by_group

Series = tuple[str, str, str]
"""Model, engine configuration id, context bucket; '' where not known."""

MINUTE_NS = 60 * 10**9

UNACCOUNTED = "unaccounted"
"""The phase of what no phase covers."""

COUNTERS = (
    *("requests", "errors", "failures", "cancelled", "prompt_tokens", "cached_tokens", "completion_tokens"),
    *("energy_requests", "energy_j", "energy_tokens", "cost_requests", "cost"),
)


_counters = attrgetter(*COUNTERS)


@dataclass(slots=True)
class CacheTally:
    """Lookups in the prefix cache with one outcome, and of those whose request got its first token: what was
    there, what was computed, and how long that took.
    """

    lookups: int = 0
    cached_tokens: int = 0
    computed_tokens: int = 0
    computed_us: int = 0

    def add(self, record: RequestRecord) -> None:
        """Count one request that looked up. One that ended before its first token computed an unknown part of
        its prompt: neither that part nor what the cache had of the prompt counts.
        """
        self.lookups += 1
        if record.computed_tokens is not None:
            self.cached_tokens += record.cached_tokens or 0
            self.computed_tokens += record.computed_tokens
            self.computed_us += round((record.phase_ms(Phase.PREFILL) or 0) * 1e3)

    @property
    def values(self) -> tuple[int, int, int, int]:
        """As in the table."""
        return self.lookups, self.cached_tokens, self.computed_tokens, self.computed_us


@dataclass(slots=True)
class PhaseTally:
    """Time of one phase, and how many requests had it."""

    requests: int = 0
    time_us: int = 0

    def add(self, time_us: int) -> None:
        """Count one request."""
        self.requests += 1
        self.time_us += time_us

    @property
    def values(self) -> tuple[int, int]:
        """As in the table."""
        return self.requests, self.time_us


@dataclass(slots=True)
class Rollup:
    """One minute of one series: counters, and a histogram per measure (units:
    `telemetry.store.rollups.measures`).
    """

    requests: int = 0
    errors: int = 0
    failures: int = 0
    cancelled: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    energy_requests: int = 0
    energy_j: float = 0.0
    energy_tokens: int = 0
    cost_requests: int = 0
    cost: float = 0.0
    histograms: dict[Measure, dict[int, int]] = field(default_factory=dict)
    cache: dict[tuple[str, str], CacheTally] = field(default_factory=dict)
    """By reason and source."""
    phases: dict[str, PhaseTally] = field(default_factory=dict)
    """By phase, and `unaccounted`."""
    gaps_us: list[int] = field(default_factory=list)
    """Between tokens: a hundred per request, so they are
    counted together when all requests are there (`count_gaps`).
    """

    def add(self, record: RequestRecord) -> None:
        """Count one completed request."""
        self.requests += 1
        self.errors += record.status is Status.ERROR
        self.failures += record.error_type in SERVER_FAILURES
        self.cancelled += record.status is Status.CANCELLED
        self.prompt_tokens += record.prompt_tokens or 0
        self.cached_tokens += record.cached_tokens or 0
        self.completion_tokens += record.completion_tokens or 0
        self._charge(record)
        for measure, values in measured(record).items():
            if values:
                histogram.merge(self.histograms.setdefault(measure, {}), histogram.count(values))
        self.gaps_us += record.gaps_us
        if record.cache is not None:
            self.cache.setdefault((record.cache.reason.value, record.cache.source.value), CacheTally()).add(
                record
            )
        for phase, time_us in phase_times_us(record).items():
            self.phases.setdefault(phase, PhaseTally()).add(time_us)

    def _charge(self, record: RequestRecord) -> None:
        """Sums are of what was measured, and say of how many requests."""
        if record.energy_j is not None:
            self.energy_requests += 1
            self.energy_j += record.energy_j
            self.energy_tokens += record.completion_tokens or 0
        if record.cost is not None:
            self.cost_requests += 1
            self.cost += record.cost

    @property
    def counters(self) -> tuple[float, ...]:
        """The columns of `rollups`, as `COUNTERS` names them."""
        return _counters(self)


def measured(record: RequestRecord) -> dict[Measure, list[float]]:
    """A record's values but for its gaps, in stored units:
    microseconds, tokens per second x 1,000; empty where not measured.
    """
    return {
        Measure.TTFT: [] if record.ttft_ms is None else [record.ttft_ms * 1e3],
        Measure.OUTPUT_RATE: [] if record.decode_tps is None else [record.decode_tps * 1e3],
        Measure.PROMPT_RATE: [] if record.prefill_tps is None else [record.prefill_tps * 1e3],
        Measure.QUEUE: [] if (waited_ms := record.phase_ms(Phase.QUEUE)) is None else [waited_ms * 1e3],
    }


def phase_times_us(record: RequestRecord) -> dict[str, int]:
    """Microseconds of each phase and of what none covers; their sum is the wall time.

    A moment that several phases cover (streaming beside decoding) belongs to the one that began first, so
    that a stack of phases is as high as the request was long.
    """
    if record.ended_ns is None:
        return {}
    times_ns: dict[str, int] = {}
    reached, covered = record.started_ns, 0
    for timing in sorted(record.phases, key=lambda timing: timing.start_ns):
        own = max(0, min(timing.end_ns, record.ended_ns) - max(timing.start_ns, reached))
        reached, covered = max(reached, timing.end_ns), covered + own
        times_ns[timing.phase.value] = times_ns.get(timing.phase.value, 0) + own
    times_ns[UNACCOUNTED] = max(0, record.ended_ns - record.started_ns - covered)
    return {phase: round(ns / 1e3) for phase, ns in times_ns.items()}


def series_of(record: RequestRecord, models: Collection[str], configs: Collection[str]) -> Series:
    """The series that a record counts in; a name that no engine
    ever had counts as '', so that clients cannot make series.
    """
    model = record.model if record.model in models else record.response_model
    config = record.engine_config_id if record.engine_config_id in configs else None
    return model or "", config or "", record.context_bucket or ""


def minute_of(record: RequestRecord) -> int:
    """Unix minutes at the request's end."""
    return record.anchor.wall(record.ended_ns or record.started_ns) // MINUTE_NS


def roll_up(
    records: Iterable[RequestRecord], models: Collection[str], configs: Collection[str]
) -> dict[tuple[int, Series], Rollup]:
    """Merge completed records by minute and series."""
    merged: dict[tuple[int, Series], Rollup] = {}
    for record in records:
        key = minute_of(record), series_of(record, models, configs)
        merged.setdefault(key, Rollup()).add(record)
    count_gaps(list(merged.values()))
    return merged


def count_gaps(rollups: Sequence[Rollup]) -> None:
    """Move the gaps of each into its histogram, those of all in one go."""
    sizes = [len(rollup.gaps_us) for rollup in rollups]
    in_order = itertools.chain.from_iterable(rollup.gaps_us for rollup in rollups)
    gaps = np.fromiter(in_order, dtype=np.float64, count=sum(sizes))
    groups = np.repeat(np.arange(len(rollups)), sizes)
    gaps_by_rollup = count_by_group(groups, histogram.buckets_of(gaps), None, len(rollups))
    for rollup, counted in zip(rollups, gaps_by_rollup, strict=True):
        if counted:
            histogram.merge(rollup.histograms.setdefault(Measure.INTER_TOKEN, {}), counted)
        rollup.gaps_us.clear()
