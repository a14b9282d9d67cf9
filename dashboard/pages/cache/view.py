"""`/dashboard/cache`: what the prefix cache gave, why prompts were computed, what each tier holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from dashboard.deps import DashboardDeps
from dashboard.page import Query, StoreView
from dashboard.pages.cache.context import CacheContext, CacheTier, LedgerRow
from dashboard.pages.windows import chosen_window
from telemetry.events import CacheSample, CacheSource, TierSample
from telemetry.live import LiveEngine
from telemetry.store.queries.cached import CacheShare
from telemetry.store.queries.ledger import LedgerEntry, ledger
from telemetry.store.queries.windows import WINDOWS, Window

TIERS = ("kv", "ram", "disk")
"""Sources of cached tokens, in the order of the lookup."""


@dataclass(slots=True)
class CacheView(StoreView):
    """The prefix cache over one window; what the engines hold shows even when the store cannot be read."""

    deps: DashboardDeps
    window: Window
    entries: list[LedgerEntry] = field(default_factory=list)

    @classmethod
    def from_query(cls, deps: DashboardDeps, query: Query) -> Self:
        """The window that an address names."""
        return cls(deps, chosen_window(query["window"], "24h"))

    @property
    def stream_query(self) -> Query:
        return {"window": self.window.key}

    async def read(self) -> None:
        self.entries = await ledger(self.deps.reader, self.window, self.deps.wall_s())

    def context(self) -> CacheContext:
        total = Sums.of(self.entries)
        return CacheContext(
            window=self.window,
            windows=tuple(WINDOWS.values()),
            lookups=total.lookups,
            cache=CacheShare(total.cached_tokens, total.computed_tokens),
            computed_s=total.computed_s,
            by_source=tokens_by_source(self.entries),
            saved_s=saved_s(self.entries),
            ledger=ledger_rows(self.entries),
            several_models=len({entry.model for entry in self.entries}) > 1,
            tiers=tuple(tier for engine in self.deps.live.engines() for tier in engine_tiers(engine)),
            store_error=self.error,
        )


@dataclass(frozen=True, slots=True)
class Sums:
    """Several entries of the ledger together; `computed_s` are seconds of prefill."""

    lookups: int
    cached_tokens: int
    computed_tokens: int
    computed_s: float

    @classmethod
    def of(cls, entries: Sequence[LedgerEntry]) -> Self:
        """The sums of these entries."""
        return cls(
            lookups=sum(entry.lookups for entry in entries),
            cached_tokens=sum(entry.cached_tokens for entry in entries),
            computed_tokens=sum(entry.computed_tokens for entry in entries),
            computed_s=sum(entry.computed_s for entry in entries),
        )


def tokens_by_source(entries: Iterable[LedgerEntry]) -> dict[str, int]:
    """Cached tokens by tier, each tier present."""
    tokens = dict.fromkeys(TIERS, 0)
    for entry in entries:
        if entry.source in tokens:
            tokens[entry.source] += entry.cached_tokens
    return tokens


def saved_s(entries: Iterable[LedgerEntry]) -> float | None:
    """Seconds of prefill that the cached tokens would have cost; None where nothing was computed.

    An estimate, model by model: at the speed that the model's other tokens were computed with.
    """
    by_model: dict[str, list[LedgerEntry]] = defaultdict(list)
    for entry in entries:
        by_model[entry.model].append(entry)
    sums = [Sums.of(own) for own in by_model.values()]
    saved = [own.cached_tokens * own.computed_s / own.computed_tokens for own in sums if own.computed_tokens]
    return sum(saved) if saved else None


def ledger_rows(entries: Sequence[LedgerEntry]) -> tuple[LedgerRow, ...]:
    """One row per model and reason, the dearest first; the tiers are merged."""
    by_reason: dict[tuple[str, str], list[LedgerEntry]] = defaultdict(list)
    for entry in entries:
        by_reason[entry.model, entry.reason].append(entry)
    whole_s = Sums.of(entries).computed_s
    rows = [_row(model, reason, Sums.of(own), whole_s) for (model, reason), own in by_reason.items()]
    return tuple(sorted(rows, key=lambda row: (-row.computed_s, row.model, row.reason)))


def _row(model: str, reason: str, own: Sums, whole_s: float) -> LedgerRow:
    """One row, whose share is of `whole_s`, the prefill time of the window."""
    return LedgerRow(
        model=model,
        reason=reason,
        lookups=own.lookups,
        cached_tokens=own.cached_tokens,
        computed_tokens=own.computed_tokens,
        computed_s=own.computed_s,
        share=100 * own.computed_s / whole_s if whole_s else 0.0,
    )


def engine_tiers(engine: LiveEngine) -> list[CacheTier]:
    """The tiers of one engine's cache as it last told of them; none before it did."""
    if engine.sample is None or engine.sample.cache is None:
        return []
    sample = engine.sample.cache
    return [_tier(engine.status.model, tier, sample) for tier in sample.tiers]


def _tier(model: str, tier: TierSample, sample: CacheSample) -> CacheTier:
    return CacheTier(
        model=model,
        tier=tier.tier.value,
        entries=tier.entries,
        tokens=tier.tokens,
        size_bytes=tier.size_bytes,
        evicted_tokens=sample.evicted_tokens.get(tier.tier.value, 0),
        off=sample.disk_off if tier.tier is CacheSource.DISK else "",
    )
