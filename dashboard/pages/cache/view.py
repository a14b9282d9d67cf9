"""`/dashboard/cache`: what the prefix cache gave, why prompts were computed all the same, and what each tier holds."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from litestar import Response, get
from litestar.params import FromQuery

from dashboard.deps import DashboardDeps, Deps
from dashboard.layout import Layout
from dashboard.pages.cache.context import CacheContext, CacheTier, LedgerRow
from dashboard.pages.windows import chosen_window
from dashboard.render import PageRequest, respond
from telemetry.events import CacheSource
from telemetry.live import LiveEngine
from telemetry.store.queries.cached import CacheShare
from telemetry.store.queries.ledger import LedgerEntry, ledger
from telemetry.store.queries.reading import StoreUnreadable
from telemetry.store.queries.windows import WINDOWS, Window


@dataclass(slots=True)
class CacheView:
    """The prefix cache over one window."""

    deps: DashboardDeps
    window: Window
    template: str = "cache.html"
    blocks: tuple[str, ...] = ("store_note", "figures", "ledger", "tiers")
    ended: bool = False
    entries: list[LedgerEntry] = field(default_factory=list)
    error: str = ""

    async def refresh(self) -> None:
        try:
            self.entries = await ledger(self.deps.reader, self.window, self.deps.wall_s())
            self.error = ""
        except StoreUnreadable as error:
            self.error = str(error)

    def page(self) -> CacheContext:
        cached, computed = (sum(getattr(entry, name) for entry in self.entries) for name in ("cached_tokens", "computed_tokens"))
        return CacheContext(
            window=self.window,
            windows=tuple(WINDOWS.values()),
            lookups=sum(entry.lookups for entry in self.entries),
            cache=CacheShare(cached, computed),
            computed_s=sum(entry.computed_s for entry in self.entries),
            by_source=_by_source(self.entries),
            saved_s=_saved_s(self.entries),
            ledger=_rows(self.entries),
            several_models=len({entry.model for entry in self.entries}) > 1,
            tiers=tuple(tier for engine in self.deps.live.engines() for tier in _tiers(engine)),
            store_error=self.error,
        )


def _by_source(entries: list[LedgerEntry]) -> dict[str, int]:
    tokens = dict.fromkeys(("kv", "ram", "disk"), 0)
    for entry in entries:
        if entry.source in tokens:
            tokens[entry.source] += entry.cached_tokens
    return tokens


def _saved_s(entries: list[LedgerEntry]) -> float | None:
    """What the cached tokens would have cost at the speed that the others were computed with, model by model; an estimate."""
    saved_s, known = 0.0, False
    for model in {entry.model for entry in entries}:
        own = [entry for entry in entries if entry.model == model]
        computed = sum(entry.computed_tokens for entry in own)
        if computed:
            known = True
            saved_s += sum(entry.cached_tokens for entry in own) * sum(entry.computed_s for entry in own) / computed
    return saved_s if known else None


def _rows(entries: list[LedgerEntry]) -> tuple[LedgerRow, ...]:
    """One row per model and reason, the dearest first; the tiers are merged."""
    merged: dict[tuple[str, str], list[LedgerEntry]] = defaultdict(list)
    for entry in entries:
        merged[entry.model, entry.reason].append(entry)
    whole_s = sum(entry.computed_s for entry in entries)
    rows = [
        LedgerRow(
            model=model,
            reason=reason,
            lookups=sum(entry.lookups for entry in own),
            cached_tokens=sum(entry.cached_tokens for entry in own),
            computed_tokens=sum(entry.computed_tokens for entry in own),
            computed_s=(own_s := sum(entry.computed_s for entry in own)),
            share=100 * own_s / whole_s if whole_s else 0.0,
        )
        for (model, reason), own in merged.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.computed_s, row.model, row.reason)))


def _tiers(engine: LiveEngine) -> list[CacheTier]:
    sample = None if engine.sample is None else engine.sample.cache
    if sample is None:
        return []
    return [
        CacheTier(
            model=engine.status.model,
            tier=tier.tier.value,
            entries=tier.entries,
            tokens=tier.tokens,
            size_bytes=tier.size_bytes,
            evicted_tokens=sample.evicted_tokens.get(tier.tier.value, 0),
            off=sample.disk_off if tier.tier is CacheSource.DISK else "",
        )
        for tier in sample.tiers
    ]


@get("/cache", include_in_schema=False)
async def cache(request: PageRequest, deps: Deps, window: FromQuery[str] = "") -> Response[str]:
    """The cache; what the engines hold now shows even when the store cannot be read."""
    view = CacheView(deps, chosen_window(window or "24h"))
    await view.refresh()
    layout = Layout("Cache", "cache", f"/dashboard/live?view=cache&window={view.window.key}", deps.version, 200)
    return respond(request, view.template, layout, view.page())
