"""The context of the Cache page's template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from telemetry.store.queries.cached import CacheShare
from telemetry.store.queries.windows import Window


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """Lookups of one model with one reason; `share` is percent of all prefill time of the window."""

    model: str
    reason: str
    lookups: int
    cached_tokens: int
    computed_tokens: int
    computed_s: float
    share: float


@dataclass(frozen=True, slots=True)
class CacheTier:
    """One tier of an engine's prefix cache as it is now.

    The KV tier's bytes belong to the KV cache (None). `off` says why there is no such tier though there is a
    budget for it, or ''.
    """

    model: str
    tier: str
    entries: int
    tokens: int
    size_bytes: int | None
    evicted_tokens: int
    off: str = ""


@dataclass(frozen=True, slots=True)
class CacheContext:
    """The prefix cache: what it gave, why prompts were computed all the same, what it holds."""

    window: Annotated[Window, "The window that the ledger covers."]
    windows: Annotated[tuple[Window, ...], "The windows to choose from."]
    lookups: Annotated[int, "Prompts looked up in the window."]
    cache: Annotated[CacheShare, "Prompt tokens that the cache supplied, and those that prefill computed."]
    computed_s: Annotated[float, "Seconds of prefill."]
    by_source: Annotated[dict[str, int], "Cached tokens by tier: kv, ram, disk."]
    saved_s: Annotated[float | None, "Seconds of prefill saved (estimated), None where nothing was computed."]
    ledger: Annotated[tuple[LedgerRow, ...], "By model and reason, the dearest first."]
    several_models: Annotated[bool, "The ledger has more than one model."]
    tiers: Annotated[tuple[CacheTier, ...], "Each engine's tiers as they are now."]
    store_error: Annotated[str, "Why the store could not be read, or ''."]
