"""What the tiers have of one prompt."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.engine.cache.entry import Entry


@dataclass(slots=True)
class Found:
    """What can be had of a prompt, each with the useful tokens of it: the best entry in a slot (`kv`), the
    best whose state can be copied into one (`ram`), and the best whose state must be read first (`to_read`).
    `in_progress` is a running sequence that will have computed as many. `lost` is what was in a tier and is
    no longer; `elsewhere` are tokens that only another adapter has.
    """

    kv: tuple[Entry | None, int] = (None, 0)
    ram: tuple[Entry | None, int] = (None, 0)
    to_read: tuple[Entry | None, int] = (None, 0)
    in_progress: tuple[Entry | None, int] = (None, 0)
    lost: tuple[Entry | None, int] = (None, 0)
    elsewhere: int = 0

    @property
    def available_tokens(self) -> int:
        """Tokens that the KV or RAM can supply now."""
        return max(self.kv[1], self.ram[1])

    def weigh(self, entry: Entry, common: int) -> None:
        """Note an entry wherever it is better than what was found before."""
        if entry.slot is not None:
            self._weigh_slot(entry, common)
        if entry.holders:
            self._weigh_copy(entry, min(common, entry.stored_tokens))
        elif entry.slot is None and common > self.lost[1]:
            self.lost = (entry, common)

    def _weigh_slot(self, entry: Entry, common: int) -> None:
        in_kv = min(common, entry.n_computed)
        if in_kv > self.kv[1]:
            self.kv = (entry, in_kv)
        if entry.running and common > max(entry.n_computed, self.in_progress[1]):
            self.in_progress = (entry, min(common, entry.prompt_tokens))

    def _weigh_copy(self, entry: Entry, stored: int) -> None:
        if entry.holders[0].direct:
            if stored > self.ram[1]:
                self.ram = (entry, stored)
        elif stored > self.to_read[1]:
            self.to_read = (entry, stored)
