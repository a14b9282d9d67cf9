"""A known prompt: its tokens, who holds its computed state, and what is told of it when it is gone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

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
    """Which conversation a prompt belongs to: an explicit key, the hash of its first user message, a hash per
    message; and the request that it came with.
    """

    conversation: str = ""
    opening: int = 0
    messages: tuple[int, ...] = ()
    background: bool = False
    request: str = ""

    def prefix(self) -> Origin:
        """The origin of a prefix that several prompts share: no conversation's own."""
        return Origin(messages=self.messages, background=self.background, request=self.request)


class Holder(Protocol):
    """What an entry tells of a tier that holds its state (`gateway.engine.cache.tiers.tier`).

    `name` is the tier's own. `source` is what records, pages and metrics call it: a tier whose name is no
    `CacheSource` says the nearest one, and its name is told where any word may stand (the restore's source,
    where a prefix was evicted from). A state of a `direct` tier can be copied into a slot as it is; any other
    is read into RAM before.
    """

    @property
    def name(self) -> str:
        """Its own word."""

    @property
    def source(self) -> CacheSource:
        """The word of the closed vocabulary."""

    @property
    def direct(self) -> bool:
        """Whether a state needs no reading before it is copied into a slot."""

    def size(self, entry: Entry) -> int:
        """The bytes that evicting an entry, which is held, would free."""


@dataclass(slots=True, eq=False)
class Entry:
    """One prefix. Its state is in a slot (`n_computed` tokens), in the tiers `holders`, the fastest first
    (`stored_tokens` tokens), or nowhere: then it is only remembered. What a holder has of it is that tier's
    own business.

    `too_poor` says that the disk tier let it go for want of room: it is not written again before it was used
    again. `lost` names the tier that it was last evicted from, at `lost_ns`. `system_divergence` is where its
    first message departed from the prompt before it, to recognise a change that recurs.
    """

    tokens: Tokens
    namespace: str = ""
    origin: Origin = Origin()
    batched_kernel_mask: KernelMask = field(default_factory=lambda: NO_KERNEL_MASK)
    n_computed: int = 0
    slot: int | None = None
    running: bool = False
    holders: tuple[Holder, ...] = ()
    stored_tokens: int = 0
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
        """The source that the fastest tier with its state tells."""
        if self.slot is not None:
            return CacheSource.KV
        return self.holders[0].source if self.holders else CacheSource.NONE

    @property
    def stored(self) -> bool:
        """Whether its state is held outside the KV, so that it counts against a budget."""
        return bool(self.holders)

    @property
    def reachable(self) -> int:
        """Tokens whose state can be had, from whatever tier."""
        return self.n_computed if self.slot is not None else self.stored_tokens if self.holders else 0


def common_length(first: Tokens, second: Tokens) -> int:
    """Leading tokens that two prompts share."""
    size = min(len(first), len(second))
    differing = np.flatnonzero(first[:size] != second[:size])
    return int(differing[0]) if len(differing) else size


def same_state(one: Entry, other: Entry) -> bool:
    """Whether two entries' states are of the same tokens, computed by the same kernels, wherever they are."""
    size = one.stored_tokens
    return (
        one is not other
        and size == other.stored_tokens == len(one.tokens) == len(other.tokens)
        and np.array_equal(one.tokens, other.tokens)
        and np.array_equal(one.batched_kernel_mask[:size], other.batched_kernel_mask[:size])
    )
