"""What the tiers have of one prompt."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.engine.cache.entry import Entry
from telemetry.events import CacheSource


@dataclass(slots=True)
class Found:
    """What can be had of a prompt: the best entry of each tier with the useful tokens of it; `in_progress` is a running
    sequence that will have computed as many. `lost` is what was in a tier and is no longer; `elsewhere` are tokens
    that only another adapter has.
    """

    kv: tuple[Entry | None, int] = (None, 0)
    ram: tuple[Entry | None, int] = (None, 0)
    disk: tuple[Entry | None, int] = (None, 0)
    in_progress: tuple[Entry | None, int] = (None, 0)
    lost: tuple[Entry | None, int] = (None, 0)
    elsewhere: int = 0

    @property
    def available_tokens(self) -> int:
        """Tokens that the KV or RAM can supply now."""
        return max(self.kv[1], self.ram[1])

    def weigh(self, entry: Entry, common: int) -> None:
        """Note an entry wherever it is better than what was found before."""
        in_kv = min(common, entry.n_computed) if entry.slot is not None else 0
        stored = min(common, entry.blob_tokens)
        if in_kv > self.kv[1]:
            self.kv = (entry, in_kv)
        if entry.blob is not None and stored > self.ram[1]:
            self.ram = (entry, stored)
        elif entry.blob is None and entry.path is not None and stored > self.disk[1]:
            self.disk = (entry, stored)
        if entry.running and common > max(entry.n_computed, self.in_progress[1]):
            self.in_progress = (entry, min(common, entry.prompt_tokens))
        if entry.source is CacheSource.NONE and common > self.lost[1]:
            self.lost = (entry, common)
