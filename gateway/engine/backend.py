"""The seam between the pure scheduler and whatever computes: llama.cpp, or a fake in tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.engine.cache.entry import State
from gateway.engine.grammar.matcher import Matcher
from gateway.engine.logits.rules import LogitRules
from gateway.sampling import ChosenLogprob, Sampling
from telemetry.drafts import DraftSource


class BackendError(RuntimeError):
    """A batch could not be computed; the sequences in it are lost, the engine is not."""


@dataclass(frozen=True, slots=True)
class Part:
    """One sequence's share of a batch: `tokens` go to positions `position` … of `slot`; `sample` asks for the
    next token after the last of them. The last `drafted` tokens are guesses: the next token is sampled before
    each of them too, until one was wrong; the state keeps those that were right. `source` says whose guesses
    they are. Where a grammar forced tokens, they come after the last one that was sampled.
    """

    slot: int
    tokens: Sequence[int]
    position: int
    sample: bool
    prefill: bool
    drafted: int = 0
    source: DraftSource | None = None


@dataclass(frozen=True, slots=True)
class DraftRequest:
    """The draft model's task for one slot before the batch is computed: of these tokens, compute at most
    `catch_up` that its state lacks; then guess so many more, which needs all of them in the state.
    """

    slot: int
    tokens: Sequence[int]
    catch_up: int
    guesses: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """The tokens that one `llama_decode` computes, all of it with one LoRA adapter ("": the bare model);
    `draft_requests` are to be drafted first.
    """

    parts: tuple[Part, ...] = ()
    adapter: str = ""
    draft_requests: tuple[DraftRequest, ...] = ()

    @property
    def prefill_tokens(self) -> int:
        return sum(len(part.tokens) for part in self.parts if part.prefill)

    @property
    def decode_tokens(self) -> int:
        return sum(len(part.tokens) for part in self.parts if not part.prefill)

    @property
    def drafted(self) -> int:
        return sum(part.drafted for part in self.parts)

    @property
    def forced(self) -> int:
        """Tokens of answers that were not sampled, because a grammar forced them."""
        return sum(len(part.tokens) - 1 - part.drafted for part in self.parts if not part.prefill)


@dataclass(frozen=True, slots=True)
class StepResult:
    """The results of a batch: sampled tokens by slot (one, and one more for each guess that was right), and
    when it began and ended (monotonic ns); `drafting_ns` of that went to a draft model. `logprobs` has those
    of each slot that asked for them, one per sampled token.
    """

    start_ns: int
    end_ns: int
    sampled: dict[int, list[int]] = field(default_factory=dict)
    drafting_ns: int = 0
    logprobs: Mapping[int, Sequence[ChosenLogprob]] = field(default_factory=dict)


class Vocabulary(Protocol):
    """The meaning of tokens, as far as the scheduler must know it."""

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for; none for control tokens."""

    def is_end(self, token: int) -> bool:
        """True where a token ends generation."""


class Backend(Protocol):
    """Computes batches and keeps the state of each slot.

    `keeps_idle` tells whether the state of ended sequences may stay in the KV without slowing running ones;
    `trims` whether the end of a state can be cut off; `kernel_min_rows` is what `gateway.engine.cache.blocks`
    needs (0: nothing).
    """

    keeps_idle: bool
    trims: bool
    kernel_min_rows: int

    @property
    def logprobs(self) -> Mapping[int, Sequence[ChosenLogprob]]:
        """The log-probabilities of the batch that was computed last, by slot: one for each sampled token of
        the sequences that asked for them.
        """

    def open(
        self,
        slot: int,
        sampling: Sampling,
        sampler: object | None = None,
        matcher: Matcher | None = None,
    ) -> None:
        """Prepare a slot for choosing the tokens of a sequence, a new one or one that was here before and
        left its `sampler`; the state in the slot stays. With a `matcher`, only what its grammar allows is
        chosen, and consumed by it.
        """

    def sampler(
        self,
        sampling: Sampling,
        prompt: Sequence[int],
        rules: LogitRules | None,
        logprobs: int | None,
        /,
    ) -> object | None:
        """Make what chooses the tokens of a sequence, for `open`: by these rules, with log-probabilities of
        each token and so many of the likeliest ones (None: of none). May be called from another thread, and
        may take some time. None: `open` makes one.
        """

    def compute(self, batch: Batch) -> dict[int, list[int]]:
        """Compute a batch; returns the sampled tokens of each part that asked for them: none where a grammar
        cannot go on.

        Raises:
            BackendError: nothing of the batch can be used; states may have grown, but only behind what they
                held before.
        """

    def use_threads(self, decode: int, batch: int) -> None:
        """Compute with so many threads from the next batch on: tokens of answers, and prompts."""

    def abort(self) -> None:
        """Give up the computation that is under way, if it can be: `compute` raises. Called from another
        thread.
        """

    def close(self, slot: int) -> object | None:
        """End what `open` prepared; the state stays. Returns what chose the tokens, with its random numbers
        and what penalties remember: for `open`, if the sequence goes on later.
        """

    def trim(self, slot: int, tokens: int) -> bool:
        """Keep the first tokens of a slot's state only; returns whether the state is as asked for (if not,
        clear it).
        """

    def save(self, slot: int) -> State | None:
        """A copy of a slot's state; None if it cannot be had."""

    def restore(self, slot: int, state: State, tokens: int) -> bool:
        """Put a copy's first tokens into an empty slot; returns whether it worked (if not, the slot is
        empty).
        """

    def fork(self, source: int, target: int, tokens: int) -> bool:
        """Let an empty slot share the first tokens of another's state, where that costs nothing; else returns
        False.
        """
