"""Context-size buckets: which bucket a prompt's token count falls into, and how the bucket is called."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise

DEFAULT_EDGES = (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072)


def _short(tokens: int) -> str:
    """512 → `512`, 2048 → `2k`: the way people write context sizes."""
    return f"{tokens // 1024}k" if tokens % 1024 == 0 else str(tokens)


@dataclass(frozen=True, slots=True)
class ContextBuckets:
    """Buckets by prompt tokens; `edges` are inclusive upper bounds, rising; the last bucket is open."""

    edges: tuple[int, ...] = DEFAULT_EDGES

    def __post_init__(self) -> None:
        if not self.edges or any(b <= a for a, b in zip((0, *self.edges), self.edges, strict=False)):
            raise ValueError(f"context bucket edges must be positive and rising, got {list(self.edges)}")

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, smallest first: `0-512`, `512-1k`, … `128k+`."""
        names = [_short(edge) for edge in self.edges]
        return (f"0-{names[0]}", *(f"{a}-{b}" for a, b in pairwise(names)), f"{names[-1]}+")

    def label(self, prompt_tokens: int) -> str:
        """The bucket of a prompt of this many tokens."""
        return self.labels[bisect_left(self.edges, prompt_tokens)]
