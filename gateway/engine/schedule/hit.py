"""A cache hit: the part of a prompt that was there when it got its slot, and the reason for no more."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.engine.cache.entry import Entry
from gateway.engine.cache.found import Found
from gateway.engine.cache.reasons import SLACK_TOKENS, explain
from gateway.engine.sequence.sequence import Sequence
from telemetry.events import CacheReason, CacheSource


@dataclass(frozen=True, slots=True)
class Hit:
    """The first `matched` tokens are in a slot, and the tier that they came from."""

    slot: int
    matched: int = 0
    source: CacheSource = CacheSource.NONE


def best_of(found: Found) -> tuple[Entry | None, int]:
    """The entry that has most of a prompt, and how many tokens; of equals the KV's."""
    return found.kv if found.kv[1] >= found.ram[1] else found.ram


def note_hit(sequence: Sequence, found: Found, hit: Hit, now_ns: int) -> None:
    """Tell the lookup: its record speaks of the slot in which the request began to be computed, not of later
    ones.
    """
    lookup = sequence.lookup
    if not lookup.cacheable or sequence.stamps.started_ns is not None:
        return
    lookup.restore_ns = sequence.stamps.copied_ns
    lookup.matched, lookup.source = hit.matched, hit.source
    best = max(hit.matched, found.available_tokens if hit.matched else 0)
    lost, lost_tokens = found.lost
    prompt_tokens = sequence.progress.prompt_tokens
    lookup.reason = explain(lookup.comparison, matched=best, prompt_tokens=prompt_tokens, lost=lost_tokens)
    lookup.more = {}
    if lookup.reason is CacheReason.EVICTED and lost is not None:
        lookup.more["lost_tokens"] = lost_tokens
        if lost.lost == CacheReason.KV_TYPE_CHANGED:
            lookup.reason = CacheReason.KV_TYPE_CHANGED
        else:
            age_s = round((now_ns - lost.lost_ns) / 1e9, 3)
            lookup.more |= {"lost_tier": lost.lost, "lost_age_s": age_s}
    elif found.elsewhere > best + SLACK_TOKENS and lookup.reason is CacheReason.NEW_CONVERSATION:
        lookup.reason = CacheReason.ADAPTER_CHANGED
