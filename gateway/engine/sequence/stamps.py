"""The stamps of a sequence: when what happened to it, and the times between its tokens."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from gateway.engine.protocol import Chunk

MAX_CHUNKS = 32
"""Chunks kept one by one; later ones are merged into the last (SIGNALS)."""


@dataclass(slots=True)
class Stamps:
    """Monotonic nanoseconds: `queued_ns` since when it waits, `placed_ns` since when it holds its slot,
    `copied_ns` when state was copied into it; `started_ns` ends the queue phase, `prefill_ns` begins prefill.
    `gaps_us` are the microseconds between sampled tokens, `bursts` how many came with each step (empty: one
    with each), `chunks` the steps' shares of the prompt.
    """

    queued_ns: int
    placed_ns: int | None = None
    copied_ns: tuple[int, int] | None = None
    started_ns: int | None = None
    prefill_ns: int | None = None
    first_token_ns: int | None = None
    last_token_ns: int | None = None
    gaps_us: list[int] = field(default_factory=list)
    bursts: list[int] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)

    def start(self, begins_ns: int, ready_ns: int) -> int:
        """The queue phase ended, with the slot at `begins_ns` or with the state that was read into it until
        `ready_ns`; returns the stamp of that.
        """
        self.started_ns = started_ns = max(self.queued_ns, begins_ns)
        self.prefill_ns = max(started_ns, ready_ns)
        return started_ns

    def add_chunk(self, chunk: Chunk) -> None:
        """Note one step's share of the prompt."""
        if len(self.chunks) < MAX_CHUNKS:
            self.chunks.append(chunk)
            return
        last = self.chunks[-1]
        tokens, sequences = last.tokens + chunk.tokens, max(last.sequences, chunk.sequences)
        self.chunks[-1] = Chunk(last.start_ns, chunk.end_ns, tokens, sequences)

    def sampled(self, tokens: int, now_ns: int) -> None:
        """Stamp the output tokens that one step added, the last ones.

        Inter-token latency: tokens of one step come together, so the time since the last step's is shared
        equally among them. The gaps of a request add up to the time from its first token to its last,
        whatever was drafted.
        """
        if not tokens:
            return
        if self.last_token_ns is None:
            self.first_token_ns = self.last_token_ns = now_ns
            tokens -= 1  # the first one ends no gap
        if tokens > 1 and not self.bursts:
            self.bursts = [1] * len(self.gaps_us)
        if self.bursts or tokens > 1:
            self.bursts.append(tokens)
        waited_us = (now_ns - self.last_token_ns) // 1000
        marks = [waited_us * index // max(1, tokens) for index in range(tokens + 1)]
        self.gaps_us += [after - before for before, after in pairwise(marks)]
        self.last_token_ns = now_ns
