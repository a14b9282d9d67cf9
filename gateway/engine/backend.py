"""The seam between the pure scheduler and whatever computes: llama.cpp, or a fake in tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.engine.protocol import Sampling


class BackendError(RuntimeError):
    """A batch could not be computed; the sequences in it are lost, the engine is not."""


@dataclass(frozen=True, slots=True)
class Part:
    """One sequence's share of a batch: `tokens` go to positions `position` … of `slot`; `sample` asks for the
    next token after the last of them.
    """

    slot: int
    tokens: Sequence[int]
    position: int
    sample: bool
    prefill: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """What one `llama_decode` computes. `opened` are slots that begin with this batch."""

    parts: tuple[Part, ...] = ()
    opened: tuple[int, ...] = ()

    @property
    def prefill_tokens(self) -> int:
        return sum(len(part.tokens) for part in self.parts if part.prefill)

    @property
    def decode_tokens(self) -> int:
        return sum(len(part.tokens) for part in self.parts if not part.prefill)


@dataclass(frozen=True, slots=True)
class StepResult:
    """What came of a batch: the sampled token by slot, and when it began and ended (monotonic ns)."""

    start_ns: int
    end_ns: int
    sampled: dict[int, int] = field(default_factory=dict)


class Vocabulary(Protocol):
    """What the scheduler must know of tokens."""

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for; none for control tokens."""

    def is_end(self, token: int) -> bool:
        """Whether a token ends generation."""


class Backend(Protocol):
    """Computes batches and keeps the state of each slot."""

    def open(self, slot: int, sampling: Sampling) -> None:
        """Prepare an empty slot for a new sequence."""

    def compute(self, batch: Batch) -> dict[int, int]:
        """Compute a batch; returns the sampled token of each part that asked for one.

        Raises:
            BackendError: nothing of the batch can be used.
        """

    def close(self, slot: int) -> None:
        """Free everything that a slot holds."""

    def used_tokens(self) -> int:
        """KV cells in use over all slots."""
