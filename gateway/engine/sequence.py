"""One request inside the engine, from admission to its last token."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.engine.protocol import Chunk, Finished, Sampling, Timing
from gateway.engine.text import TextAssembler
from telemetry.events import Phase

MAX_CHUNKS = 32
"""Chunks kept one by one; later ones are merged into the last (SIGNALS)."""


@dataclass(slots=True, kw_only=True, eq=False)
class Sequence:
    """A prompt, how to continue it, and everything stamped on the way. Times are monotonic nanoseconds."""

    id: str
    prompt: list[int]
    sampling: Sampling
    max_tokens: int
    text: TextAssembler
    queued_ns: int
    stop_tokens: frozenset[int] = frozenset()
    position_in_queue: int = 0
    queue_depth: int = 0
    holders: str = ""
    slot: int | None = None
    computed: int = 0
    last_token: int | None = None
    started_ns: int | None = None
    first_token_ns: int | None = None
    last_token_ns: int | None = None
    completion_tokens: int = 0
    gaps_us: list[int] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    steps: int = 0
    batch_sum: int = 0

    @property
    def prefilling(self) -> bool:
        """Whether part of the prompt is still to be computed."""
        return self.computed < len(self.prompt)

    @property
    def remaining(self) -> int:
        """Prompt tokens still to be computed."""
        return len(self.prompt) - self.computed

    def queue_timing(self, now_ns: int) -> Timing:
        """The queue phase, ended now. `reason` says what a wait was for; without a wait there is none."""
        attributes: dict[str, str | int | float | bool] = {"position": self.position_in_queue, "depth": self.queue_depth}
        if self.position_in_queue:
            attributes |= {"reason": "slots", "holders": self.holders}
        return Timing(Phase.QUEUE, self.queued_ns, now_ns, attributes)

    def add_chunk(self, chunk: Chunk) -> None:
        """Note one step's share of the prompt."""
        self.computed += chunk.tokens
        if len(self.chunks) < MAX_CHUNKS:
            self.chunks.append(chunk)
            return
        last = self.chunks[-1]
        self.chunks[-1] = Chunk(last.start_ns, chunk.end_ns, last.tokens + chunk.tokens, max(last.sequences, chunk.sequences))

    def add_token(self, now_ns: int) -> None:
        """Stamp one output token."""
        if self.first_token_ns is None:
            self.first_token_ns = now_ns
        if self.last_token_ns is not None:
            self.gaps_us.append((now_ns - self.last_token_ns) // 1000)
        self.last_token_ns = now_ns
        self.completion_tokens += 1

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
            chunks=self.chunks,
            timings=self._timings(now_ns),
        )

    def _timings(self, now_ns: int) -> list[Timing]:
        if self.started_ns is None:
            return [self.queue_timing(now_ns)]
        sampled_ns = self.first_token_ns or now_ns
        prefill = {"tokens": len(self.prompt), "cached": 0, "computed": self.computed}
        timings = [Timing(Phase.PREFILL, self.started_ns, sampled_ns, dict(prefill))]
        if self.first_token_ns is not None and self.last_token_ns is not None:
            mean = self.batch_sum / self.steps if self.steps else 1.0
            decode = {"tokens": self.completion_tokens, "steps": self.steps, "mean_batch": round(mean, 3)}
            timings.append(Timing(Phase.DECODE, self.first_token_ns, now_ns, dict(decode)))
        return timings
