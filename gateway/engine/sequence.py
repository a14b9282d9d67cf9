"""One request inside the engine, from admission to its last token."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from gateway.engine.cache.blocks import Blocks
from gateway.engine.cache.entry import Entry, Holder, KernelMask, Origin, Tokens
from gateway.engine.cache.reasons import Comparison
from gateway.engine.cache.spans import MessageSpan
from gateway.engine.delays import Delays
from gateway.engine.protocol import Chunk, Finished, Sampling, Timing
from gateway.engine.speculative.choice import RequestDrafts
from gateway.engine.speculative.prompt_lookup import PromptLookup, attributes
from gateway.engine.text import TextAssembler
from telemetry.events import CacheReason, CacheSource, Phase, Scalar

NO_BLOCKS = Blocks((), 0, 0)
NO_ORIGIN = Origin()
NOT_COMPARED = Comparison(CacheReason.DISABLED)

MAX_CHUNKS = 32
"""Chunks kept one by one; later ones are merged into the last (SIGNALS)."""


@dataclass(slots=True, kw_only=True)
class Lookup:
    """What the cache did for a sequence. Times are monotonic nanoseconds; `read_ns` is when state was read from the tier `read_from`,
    before it was queued, and `restore_ns` when state was copied into its slot; `expected` are the tokens that were there when the request
    came. What is found is decided with the slot: until then a request that may use the cache has no `reason`.
    """

    start_ns: int = 0
    end_ns: int = 0
    comparison: Comparison = NOT_COMPARED
    spans: list[MessageSpan] = field(default_factory=list)
    expected: int = 0
    matched: int = 0
    source: CacheSource = CacheSource.NONE
    reason: CacheReason | None = CacheReason.DISABLED
    read_ns: tuple[int, int] | None = None
    read_from: Holder | None = None
    read_bytes: int = 0
    restore_ns: tuple[int, int] | None = None
    restore_bytes: int = 0
    more: dict[str, Scalar] = field(default_factory=dict)

    @property
    def read_source(self) -> CacheSource | None:
        """The source that a state which was read before tells; None if there was none."""
        return self.read_from.source if self.read_from is not None and self.read_bytes else None

    def timings(self) -> list[Timing]:
        """The phases cache_lookup and, if a tier was read, cache_restore: once for the disk and once for the slot."""
        attributes: dict[str, Scalar] = {}
        if self.reason is not None:
            attributes |= {"matched": self.matched, "source": str(self.source), "reason": str(self.reason)}
        if self.comparison.divergence_token is not None:
            attributes["divergence_token"] = self.comparison.divergence_token
        if self.comparison.divergence_message is not None:
            attributes["divergence_message"] = self.comparison.divergence_message
        if self.comparison.nearest:
            attributes["nearest"] = self.comparison.nearest
        if self.spans:
            attributes["messages"] = " ".join(f"{span.role}:{span.end}" for span in self.spans)
        timings = [Timing(Phase.CACHE_LOOKUP, self.start_ns, self.end_ns, attributes | self.more)]
        if self.read_ns is not None and self.read_from is not None:
            read: dict[str, Scalar] = {"bytes": self.read_bytes, "source": self.read_from.name}
            timings.append(Timing(Phase.CACHE_RESTORE, *self.read_ns, read))
        if self.restore_ns is not None:
            source = CacheSource.RAM if self.source is self.read_source else self.source
            restored: dict[str, Scalar] = {"bytes": self.restore_bytes, "source": str(source), "tokens": self.matched}
            timings.append(Timing(Phase.CACHE_RESTORE, *self.restore_ns, restored))
        return timings


@dataclass(slots=True, kw_only=True, eq=False)
class Sequence:
    """A prompt, how to continue it, and everything stamped on the way. Times are monotonic nanoseconds.

    `tokens` are the prompt and what was sampled; the state of the first `n_computed` of them is in the slot. `adapter` is the
    LoRA adapter that computes it, and `namespace` what of the cache it may use: that of the same adapter. `prefix_of` is whom
    it waits for (since `prefix_since_ns`) because both have a prefix; `placed_ns` is since when it holds its slot, `copied_ns` when state was
    copied into it; `sampler` is what the backend chose its tokens with in the slot that it left.
    """

    id: str
    prompt: list[int]
    sampling: Sampling
    max_tokens: int
    text: TextAssembler
    queued_ns: int
    stop_tokens: frozenset[int] = frozenset()
    caller: str = ""
    adapter: str = ""
    namespace: str = ""
    origin: Origin = NO_ORIGIN
    streamed: bool = True
    cacheable: bool = False
    pinned: bool = False
    lookup: Lookup = field(default_factory=Lookup)
    entry: Entry | None = None
    drafter: PromptLookup | None = None
    drafts: RequestDrafts | None = None
    position_in_queue: int = 0
    queue_depth: int = 0
    queue_reason: str = "slots"
    holders: str = ""
    delayed_by: Delays = field(default_factory=Delays)
    delayed: Delays = field(default_factory=Delays)
    prefix_of: Sequence | None = None
    prefix_since_ns: int = 0
    placed_ns: int | None = None
    copied_ns: tuple[int, int] | None = None
    slot: int | None = None
    sampler: object | None = None
    tokens: list[int] = field(default_factory=list)
    n_computed: int = 0
    batched_kernel_mask: bytearray = field(default_factory=bytearray)
    blocks: Blocks = NO_BLOCKS
    started_ns: int | None = None
    prefill_ns: int | None = None
    first_token_ns: int | None = None
    last_token_ns: int | None = None
    answer: list[str] = field(default_factory=list)
    gaps_us: list[int] = field(default_factory=list)
    bursts: list[int] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    steps: int = 0
    batch_sum: int = 0

    def __post_init__(self) -> None:
        self.tokens = list(self.prompt)

    @property
    def background(self) -> bool:
        """Whether it must not delay interactive requests."""
        return self.origin.background

    @property
    def completion_tokens(self) -> int:
        """Tokens of the answer so far."""
        return len(self.tokens) - len(self.prompt)

    @property
    def prefilling(self) -> bool:
        """Whether tokens are still to be computed before the next one can be sampled from the last of them."""
        return self.n_computed < len(self.prompt) or len(self.tokens) - self.n_computed > 1

    @property
    def remaining(self) -> int:
        """Tokens still to be computed before the next one can be sampled."""
        return len(self.tokens) - self.n_computed

    @property
    def computed(self) -> int:
        """Prompt tokens in the state, cached ones included."""
        return min(self.n_computed, len(self.prompt))

    def prompt_array(self) -> Tokens:
        """All tokens so far, as the cache wants them."""
        return np.array(self.tokens, dtype=np.int32)

    def kernels(self) -> KernelMask:
        """Which of the held tokens the kernel for many rows computed."""
        return np.frombuffer(bytes(self.batched_kernel_mask), dtype=np.bool_)

    def took(self, tokens: int) -> None:
        """The next tokens are in the state now, computed in one step."""
        self.n_computed += tokens
        self.batched_kernel_mask += bytes([self.blocks.is_large(tokens)]) * tokens

    def queue_timing(self, now_ns: int) -> Timing:
        """The queue phase, ended now. `reason` says what a wait was for; without a wait there is none."""
        attributes: dict[str, Scalar] = {"position": self.position_in_queue, "depth": self.queue_depth}
        if self.position_in_queue or self.queue_reason != "slots":
            attributes |= {"reason": self.queue_reason, "holders": self.holders}
        return Timing(Phase.QUEUE, self.queued_ns, max(self.queued_ns, now_ns), attributes)

    def add_chunk(self, chunk: Chunk) -> None:
        """Note one step's share of the prompt."""
        if len(self.chunks) < MAX_CHUNKS:
            self.chunks.append(chunk)
            return
        last = self.chunks[-1]
        self.chunks[-1] = Chunk(last.start_ns, chunk.end_ns, last.tokens + chunk.tokens, max(last.sequences, chunk.sequences))

    def sampled(self, tokens: int, now_ns: int) -> None:
        """Stamp the output tokens that one step added, the last ones.

        Inter-token latency: tokens of one step come together, so the time since the last step's is shared equally among them.
        The gaps of a request add up to the time from its first token to its last, whatever was drafted.
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

    def finished(self, reason: str, now_ns: int, message: str = "") -> Finished:
        """The closing report; phases that were under way end now."""
        return Finished(
            id=self.id,
            reason=reason,
            text=self.text.finish() if reason in ("stop", "length") else "",
            message=message,
            completion_tokens=self.completion_tokens,
            first_token_ns=self.first_token_ns,
            last_token_ns=self.last_token_ns,
            gaps_us=self.gaps_us,
            bursts=self.bursts,
            chunks=self.chunks,
            timings=self._timings(now_ns),
            delayed_by=self.delayed_by.top(),
            delayed=self.delayed.top(),
        )

    def _timings(self, now_ns: int) -> list[Timing]:
        if self.started_ns is None or self.prefill_ns is None:
            return [*self.lookup.timings(), self.queue_timing(now_ns)]
        sampled_ns = self.first_token_ns or now_ns
        cached = self.lookup.matched
        prefill = {"tokens": len(self.prompt), "cached": cached, "computed": max(0, self.computed - cached)}
        timings = [Timing(Phase.PREFILL, min(self.prefill_ns, sampled_ns), sampled_ns, dict(prefill))]
        if self.first_token_ns is not None and self.last_token_ns is not None:
            mean = self.batch_sum / self.steps if self.steps else 1.0
            decode: dict[str, Scalar] = {"tokens": self.completion_tokens, "steps": self.steps, "mean_batch": round(mean, 3)}
            timings.append(Timing(Phase.DECODE, self.first_token_ns, now_ns, decode | attributes(self.drafter, self.drafts)))
        return timings
