"""Continuous batching as a state machine: `plan(now) → Batch`, `apply(StepResult) → StepOutcome`.

It knows no clock, no model and no pipe: time is an argument, tokens mean what the `Vocabulary` says, and
whoever drives it computes the batches (`gateway.engine.schedule.loop`; a fake in tests). Those who wait are
the `WaitingQueue`'s, the slots the `SlotTable`'s, and the parts of a batch are the `DecodePlanner`'s and the
`PrefillPlanner`'s.

Every slot decodes first; what the `Pace` leaves goes to prompts as `PromptShare` says, so that nothing
starves and short prompts are quick. Background sequences are computed only while no interactive one is there.
"""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass, field

from gateway.engine.backend import Batch, Part, StepResult, Vocabulary
from gateway.engine.protocol import Delta, Finished, Started
from gateway.engine.schedule import background, blame
from gateway.engine.schedule.adapter_turns import AdapterTurns
from gateway.engine.schedule.decode import DecodePlanner
from gateway.engine.schedule.fairness import FairShare
from gateway.engine.schedule.pace import Pace
from gateway.engine.schedule.placement import Placement
from gateway.engine.schedule.prefill import PrefillPlanner
from gateway.engine.schedule.slot_table import SlotTable
from gateway.engine.schedule.waiting_queue import WaitingQueue
from gateway.engine.sequence.sequence import Sequence
from gateway.engine.speculative.drafting import NoDrafting
from gateway.sampling import ChosenLogprob

MAX_FORCED = 32
"""Tokens that a grammar may force at once: fewer than llama.cpp takes another kernel for."""


@dataclass(slots=True)
class StepOutcome:
    """The messages for the gateway that a step or a cancel led to."""

    deltas: list[Delta] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)


class Scheduler:
    """Says what each step computes. `n_ctx` is tokens per sequence; `max_batch` tokens per step.

    `started` are messages of sequences that started since whoever drives it took them.
    """

    def __init__(
        self,
        *,
        placement: Placement,
        n_ctx: int,
        max_batch: int,
        pace: Pace,
        vocabulary: Vocabulary,
        drafting: NoDrafting | None = None,
    ) -> None:
        self.n_ctx = n_ctx
        self.started: list[Started] = []
        self.placement = placement
        self.pace = pace
        self.drafting = drafting or NoDrafting()
        self._max_batch = max_batch
        self._most_forced = min(MAX_FORCED, max_batch // max(1, len(placement.states)) - 1)
        self._vocabulary = vocabulary
        self._shares = FairShare()
        self._turns = AdapterTurns()
        self._queue = WaitingQueue(self._shares)
        self.slots = SlotTable(placement, self._queue)
        self._decode = DecodePlanner(pace, n_ctx=n_ctx, max_batch=max_batch)
        self._prefill = PrefillPlanner(pace)

    @property
    def running(self) -> list[Sequence]:
        """Sequences that hold a slot, in order of slots. May be read from another thread."""
        return self.slots.running

    @property
    def waiting(self) -> list[Sequence]:
        """Sequences that hold none, in order of arrival. May be read from another thread."""
        return self._queue.snapshot()

    @property
    def idle(self) -> bool:
        """True while there is nothing to compute."""
        return not self._queue and not self.slots.running

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence; it learns whom it waits for."""
        self._queue.add(sequence, self.running, self.slots.free)

    def cancel(self, request_id: str, now_ns: int) -> StepOutcome:
        """Drop a sequence wherever it is; one that has ended already is not an error."""
        named = [sequence for sequence in (*self.waiting, *self.running) if sequence.id == request_id]
        return StepOutcome(finished=[self._end(sequence, "cancelled", now_ns) for sequence in named])

    def plan(self, now_ns: int) -> Batch:
        """Fill free slots from the queue and say what to compute next; empty when idle."""
        self.slots.suspend_background(now_ns)
        self.started += self.slots.fill(now_ns)
        active = background.active(self.running, self.waiting, self.placement, now_ns)
        if not active:
            return Batch()
        adapter = self._turns.choose({sequence.request.adapter for sequence in active}, now_ns)
        decoding = [sequence for sequence in active if not sequence.progress.prefilling]
        delayed = len(decoding)
        prompts = [] if delayed == len(active) else _prompts(active, adapter)
        decoding = [sequence for sequence in decoding if sequence.request.adapter == adapter]
        parts = self._decode.plan(decoding)
        parts += self._prefill.plan(prompts, self._prompt_budget(delayed, parts))
        batch = Batch(tuple(parts), adapter)
        return self.drafting.draft_requests(batch, decoding, self._decode.room, self.pace)

    def apply(self, batch: Batch, result: StepResult) -> StepOutcome:
        """Take in what a batch gave: advance prompts, add tokens, end what is complete."""
        self._learn(batch, result)
        outcome = StepOutcome()
        for part in batch.parts:
            sequence, sampled = self.slots[part.slot], result.sampled.get(part.slot, [])
            assert sequence.entry is not None
            right = max(0, len(sampled) - 1)
            sequence.progress.advance(len(part.tokens) - part.drafted + right)
            sequence.entry.n_computed = sequence.progress.n_computed
            if part.prefill:
                self._prefill.apply(sequence, part, result, len(batch.parts))
                self._shares.computed(sequence.request, len(part.tokens))
            else:
                self._decode.apply(sequence, part, sampled, len(batch.parts))
            logprobs = result.logprobs.get(part.slot, ())
            self._answer(sequence, sampled, logprobs, result.end_ns, outcome)
        return outcome

    def fail(self, batch: Batch, message: str, now_ns: int) -> StepOutcome:
        """A batch could not be computed: its largest part (of equals the newest) ends with an error, the
        others try again.
        """
        outcome = StepOutcome()
        taken = [(part, self.slots[part.slot]) for part in batch.parts]
        _, refused = max(taken, key=lambda pair: (len(pair[0].tokens), pair[1].stamps.queued_ns))
        for _, sequence in taken:
            if sequence is refused or not self.placement.cut_back(sequence):
                outcome.finished.append(self._end(sequence, "error", now_ns, message))
            elif sequence.matcher is not None:  # what was sampled before it failed is lost
                sequence.matcher.rewind(sequence.progress.completion_tokens)
        return outcome

    def check_integrity(self) -> None:
        """Raise AssertionError unless slots, queue and sequences agree."""
        self._queue.check_integrity()
        self.slots.check_integrity(self.n_ctx)

    def _prompt_budget(self, delayed: int, decode: list[Part]) -> int:
        """Prompt tokens for the step, which delays so many that decode, also those of other adapters."""
        left = self._max_batch - sum(len(part.tokens) for part in decode)
        return min(self.pace.budget(delayed), left)

    def _learn(self, batch: Batch, result: StepResult) -> None:
        """Take in what a step took, and whom it held up."""
        prefill_tokens, decode_tokens = batch.prefill_tokens, batch.decode_tokens
        computing_ns = result.end_ns - result.start_ns - result.drafting_ns
        lost_ns = self.pace.lost_ns(computing_ns, prefill_tokens, decode_tokens)
        self.pace.learn(computing_ns, prefill_tokens, decode_tokens, batch.drafted + batch.forced)
        self.drafting.learn(batch, result, self.pace)
        running = self.running
        suspended = [sequence for sequence in self.waiting if sequence.stamps.placed_ns is not None]
        blame.of_contention(running, lost_ns, result.start_ns)
        blame.of_step(batch, result, [*running, *suspended], self.pace.decode_step_ns + lost_ns)

    def _answer(
        self,
        sequence: Sequence,
        sampled: list[int],
        logprobs: Items[ChosenLogprob],
        now_ns: int,
        outcome: StepOutcome,
    ) -> None:
        """Add the sampled tokens, if there are any, and end the sequence where it must end."""
        progress = sequence.progress
        before = progress.completion_tokens
        forced = 0 if sequence.request.each_sampled else self._most_forced
        text, reason = sequence.extend(sampled, self._vocabulary, self.n_ctx, now_ns, forced, logprobs)
        self._shares.sampled(sequence.request, progress.completion_tokens - before)
        if text or not reason:
            name, told = sequence.request.id, progress.told_logprobs()
            outcome.deltas.append(Delta(name, text, progress.completion_tokens, progress.prefilled, told))
        if reason:
            message = _grammar_failure(sequence) if reason == "error" else ""
            outcome.finished.append(self._end(sequence, reason, now_ns, message))

    def _end(self, sequence: Sequence, reason: str, now_ns: int, message: str = "") -> Finished:
        """A sequence is over, wherever it is; whoever waits has waited for it until now."""
        if sequence.slot is not None:
            blame.of_slot(self.waiting, sequence, now_ns)
        finished = sequence.finished(reason, now_ns, message)
        sequence.progress.answer.append(finished.text)
        if sequence.slot is None:
            self._queue.remove(sequence)
        else:
            self.slots.release(sequence, reason, now_ns)
        return finished


def _prompts(active: list[Sequence], adapter: str) -> list[Sequence]:
    """Those whose prompts are to be computed with an adapter."""
    return [one for one in active if one.progress.prefilling and one.request.adapter == adapter]


def _grammar_failure(sequence: Sequence) -> str:
    assert sequence.matcher is not None
    return f"the grammar of this answer cannot go on: {sequence.matcher.failure}"
