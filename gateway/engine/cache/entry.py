"""A known prompt: its tokens, where its computed state is held, and what is told of it when it is gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from telemetry.events import CacheSource

Tokens = npt.NDArray[np.int32]
KernelMask = npt.NDArray[np.bool_]
"""Which tokens were computed by the kernel for many rows (`gateway.engine.cache.blocks`)."""

NO_KERNEL_MASK: KernelMask = np.zeros(0, dtype=np.bool_)

State = npt.NDArray[np.uint8]
"""A sequence's serialised KV, as the backend gave it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Which conversation a prompt belongs to: an explicit key, the hash of its first user message, a hash per message; and the
    request that it came with.
    """

    conversation: str = ""
    opening: int = 0
    messages: tuple[int, ...] = ()
    background: bool = False
    request: str = ""

    def prefix(self) -> Origin:
        """The origin of a prefix that several prompts share: no conversation's own."""
        return Origin(messages=self.messages, background=self.background, request=self.request)


@dataclass(slots=True, eq=False)
class Entry:
    """One prefix. `n_computed` tokens of it are in the state, wherever that is; an entry without a holder is a memory only.

    `too_poor` says that the disk tier let it go for want of room: it is not written again before it was used again.
    `lost` names the tier that it was last evicted from, at `lost_ns`. `system_divergence` is where its first message
    departed from the prompt before it, to recognise a change that recurs.
    """

    tokens: Tokens
    namespace: str = ""
    origin: Origin = Origin()
    batched_kernel_mask: KernelMask = field(default_factory=lambda: NO_KERNEL_MASK)
    n_computed: int = 0
    slot: int | None = None
    running: bool = False
    blob: State | None = None
    blob_tokens: int = 0
    path: Path | None = None
    disk_bytes: int = 0
    pinned: bool = False
    used_ns: int = 0
    uses: int = 0
    lost: str = ""
    lost_ns: int = 0
    prompt_tokens: int = 0
    reply: str = ""
    unsavable: bool = False
    too_poor: bool = False
    system_divergence: int | None = None

    @property
    def source(self) -> CacheSource:
        """The fastest tier that holds its state."""
        if self.slot is not None:
            return CacheSource.KV
        if self.blob is not None:
            return CacheSource.RAM
        return CacheSource.NONE if self.path is None else CacheSource.DISK

    @property
    def stored(self) -> bool:
        """Whether its state is held outside the KV, so that it counts against a budget."""
        return self.blob is not None or self.path is not None

    @property
    def reachable(self) -> int:
        """Tokens whose state can be had, from whatever tier."""
        return self.n_computed if self.slot is not None else self.blob_tokens if self.stored else 0


def common_length(first: Tokens, second: Tokens) -> int:
    """Leading tokens that two prompts share."""
    size = min(len(first), len(second))
    differing = np.flatnonzero(first[:size] != second[:size])
    return int(differing[0]) if len(differing) else size
