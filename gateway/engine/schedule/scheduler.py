"""Continuous batching as a state machine: `plan(now) → Batch`, `apply(StepResult) → Outcome`.

It knows no clock, no model and no pipe: time is an argument, tokens mean what the `Vocabulary` says, slots are filled by
`Placement`, and whoever drives it computes the batches (`gateway.engine.schedule.loop`; a fake in tests). Every slot decodes
first; what the `Pace` leaves goes to prompts as `PromptShare` says, so that nothing starves and short prompts are quick. Background sequences are computed only while no interactive one is there.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gateway.engine.backend import Batch, Part, StepResult, Vocabulary
from gateway.engine.protocol import Chunk, Delta, Finished, Started
from gateway.engine.schedule import background, blame
from gateway.engine.schedule.adapter_turns import AdapterTurns
from gateway.engine.schedule.fairness import FairShare
from gateway.engine.schedule.pace import Pace
from gateway.engine.schedule.placement import Placement, Wait
from gateway.engine.schedule.prompt_share import PromptShare
from gateway.engine.sequence import Sequence
from gateway.engine.speculative.drafting import NoDrafting
from telemetry.drafts import DraftSource

MAX_HOLDERS = 8
"""Requests named as holding the slots that a queued one waits for (SIGNALS: at most 8 links)."""

HELD_WEIGHT = 0.1
"""Of a new measurement in the moving average of how long a request holds its slot."""


@dataclass(slots=True)
class Outcome:
    """What a step or a cancel led to: messages for the gateway."""

    deltas: list[Delta] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)


class Scheduler:
    """Owns the waiting queue and the slots. `n_ctx` is tokens per sequence; `max_batch` tokens per step."""

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
        self.waiting: deque[Sequence] = deque()
        self.slots: list[Sequence | None] = [None] * len(placement.slots)
        self.started: list[Started] = []
        self.placement = placement
        self.pace = pace
        self.drafting = drafting or NoDrafting()
        self.mean_held_ns = 0.0
        self._max_batch = max_batch
        self._vocabulary = vocabulary
        self._shares = FairShare()
        self._turns = AdapterTurns()
        self._prompt_share = PromptShare()

    @property
    def running(self) -> list[Sequence]:
        """Sequences that hold a slot, in order of slots."""
        return [sequence for sequence in self.slots if sequence is not None]

    @property
    def idle(self) -> bool:
        """Whether there is nothing to compute."""
        return not self.waiting and not self.running

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence; it learns whom it waits for."""
        free = self.slots.count(None)
        sequence.position_in_queue = max(0, len(self.waiting) + 1 - free)
        sequence.queue_depth = len(self.waiting)
        sequence.holders = ",".join(held.id for held in self.running[:MAX_HOLDERS])
        self._shares.arrived(sequence, [*self.running, *self.waiting])
        self.waiting.append(sequence)

    def cancel(self, request_id: str, now_ns: int) -> Outcome:
        """Drop a sequence wherever it is; one that has ended already is not an error."""
        outcome = Outcome()
        for sequence in [*self.waiting, *self.running]:
            if sequence.id == request_id:
                self._end(sequence, "cancelled", now_ns, outcome)
        return outcome

    def plan(self, now_ns: int) -> Batch:
        """Fill free slots from the queue and say what to compute next; empty when idle."""
        self._suspend_background(now_ns)
        self._fill_slots(now_ns)
        active = background.active(self.running, self.waiting, self.placement, now_ns)
        if not active:
            return Batch()
        delayed = sum(not sequence.prefilling for sequence in active)
        adapter = self._turns.choose({sequence.adapter for sequence in active}, now_ns)
        active = [sequence for sequence in active if sequence.adapter == adapter]
        decoding = [sequence for sequence in active if not sequence.prefilling]
        parts = [self._decode_part(sequence, len(decoding)) for sequence in decoding]
        budget = min(self.pace.budget(delayed), self._max_batch - sum(len(part.tokens) for part in parts))
        prompts = [sequence for sequence in active if sequence.prefilling]
        for sequence, tokens in self._prompt_share.divide(prompts, budget, self.pace.kernel_min_rows):
            parts.append(self._prefill_part(sequence, sequence.blocks.chunk(sequence.n_computed, tokens)))
        return self.drafting.draft_requests(Batch(tuple(parts), adapter), decoding, self._most, self.pace)

    def apply(self, batch: Batch, result: StepResult) -> Outcome:
        """Take in what a batch gave: advance prompts, add tokens, end what is complete."""
        computing_ns = result.end_ns - result.start_ns - result.drafting_ns
        lost_ns = self.pace.lost_ns(computing_ns, batch.prefill_tokens, batch.decode_tokens)
        self.pace.learn(computing_ns, batch.prefill_tokens, batch.decode_tokens, batch.drafted)
        self.drafting.learn(batch, result, self.pace)
        suspended = [sequence for sequence in self.waiting if sequence.placed_ns is not None]
        blame.of_contention(self.running, lost_ns, result.start_ns)
        blame.of_step(batch, result, [*self.running, *suspended], self.pace.decode_step_ns + lost_ns)
        outcome = Outcome()
        for part in batch.parts:
            sequence = self.slots[part.slot]
            assert sequence is not None, f"slot {part.slot} was in a batch and is empty"
            assert sequence.entry is not None
            sampled = result.sampled.get(part.slot, [])
            sequence.took(len(part.tokens) - part.drafted + max(0, len(sampled) - 1))
            sequence.entry.n_computed = sequence.n_computed
            if part.prefill:
                sequence.entry.batched_kernel_mask = sequence.kernels()
                sequence.add_chunk(Chunk(result.start_ns, result.end_ns, len(part.tokens), len(batch.parts)))
                self._shares.computed(sequence, len(part.tokens))
            else:
                sequence.steps += 1
                sequence.batch_sum += len(batch.parts)
                if sequence.drafter is not None:
                    sequence.drafter.learn(part.drafted if part.source is DraftSource.LOOKUP else 0, sampled, self.pace)
            self._advance(sequence, sampled, result.end_ns, outcome)
        return outcome

    def fail(self, batch: Batch, message: str, now_ns: int) -> Outcome:
        """A batch could not be computed: its largest part (of equals the newest) ends with an error, the others try again."""
        outcome = Outcome()
        taken = [(part, sequence) for part in batch.parts if (sequence := self.slots[part.slot]) is not None]
        _, refused = max(taken, key=lambda pair: (len(pair[0].tokens), pair[1].queued_ns))
        for _, sequence in taken:
            assert sequence.slot is not None
            if sequence is refused or not self.placement.backend.trim(sequence.slot, sequence.n_computed):
                self._end(sequence, "error", now_ns, outcome, message)
        return outcome

    def check_integrity(self) -> None:
        """Raise AssertionError unless slots, queue and sequences agree."""
        seen: set[int] = set()
        for slot, sequence in enumerate(self.slots):
            if sequence is not None:
                assert sequence.slot == slot, f"{sequence.id} believes to be in slot {sequence.slot}, not {slot}"
                assert 0 <= sequence.n_computed <= len(sequence.tokens), (
                    f"{sequence.id}: {sequence.n_computed} of {len(sequence.tokens)} held"
                )
                assert len(sequence.tokens) <= self.n_ctx, f"{sequence.id} outgrew its context"
                assert id(sequence) not in seen, f"{sequence.id} holds two slots"
                seen.add(id(sequence))
        for sequence in self.waiting:
            assert sequence.slot is None, f"{sequence.id} waits and holds slot {sequence.slot}"
            assert sequence.n_computed == 0, f"{sequence.id} waits and holds state"
        self.placement.check_integrity(self.running)

    def _suspend_background(self, now_ns: int) -> None:
        """A background sequence gives its slot to an interactive one that waits; it goes on later."""
        one = None if None in self.slots else background.to_suspend(self.running, self.waiting, self.placement, now_ns)
        if one is None or one.slot is None:
            return
        slot = one.slot
        self._leave(one, now_ns)
        self.placement.suspend(one)
        self.slots[slot] = None
        self.waiting.append(one)
        if one.drafter is not None:
            one.drafter.rest()

    def _fill_slots(self, now_ns: int) -> None:
        for sequence in self._shares.order(self.waiting, now_ns) if self.waiting else []:
            free = [slot for slot, held in enumerate(self.slots) if held is None]
            if not free:
                return
            placed = self.placement.place(sequence, free)
            if isinstance(placed, Wait):
                self._await_prefix(sequence, placed, now_ns)
                continue
            self._settle_blame(sequence, now_ns)
            self.waiting.remove(sequence)
            self.slots[placed] = sequence
            self._start(sequence, now_ns)

    def _await_prefix(self, sequence: Sequence, wait: Wait, now_ns: int) -> None:
        if sequence.prefix_of is None:
            sequence.prefix_since_ns = now_ns
            sequence.prefix_of = next((one for one in self.running if one.entry is wait.entry), None)
        sequence.queue_reason = "kv"

    def _settle_blame(self, sequence: Sequence, now_ns: int) -> None:
        """A sequence has a slot now: what it waited for, and who had to wait while its state was read."""
        running = self.running
        if sequence.placed_ns is None:
            blame.of_wait(sequence, running, now_ns)
        blame.of_restore(sequence, running)
        sequence.placed_ns = now_ns

    def _start(self, sequence: Sequence, now_ns: int) -> None:
        """The queue phase ends with the slot, or with the state that is read into it: what a prompt in a slot waits for is other
        prompts, and they are blamed for it.
        """
        if sequence.started_ns is None:
            begins_ns, ready_ns = sequence.lookup.restore_ns or (now_ns, now_ns)
            sequence.started_ns = max(sequence.queued_ns, begins_ns)
            sequence.prefill_ns = max(sequence.started_ns, ready_ns)
            self.started.append(Started(sequence.id, [*sequence.lookup.timings(), sequence.queue_timing(sequence.started_ns)]))

    def _decode_part(self, sequence: Sequence, decoding: int) -> Part:
        """The last token, and a few that may follow it where that pays."""
        assert sequence.slot is not None
        draft: tuple[int, ...] = ()
        if sequence.drafter is not None:
            draft = sequence.drafter.propose(self._most(sequence, decoding), self.pace, decoding)
        source = DraftSource.LOOKUP if draft else None
        tokens = (sequence.tokens[-1], *draft)
        return Part(sequence.slot, tokens, sequence.n_computed, sample=True, prefill=False, drafted=len(draft), source=source)

    def _most(self, sequence: Sequence, decoding: int) -> int:
        """Guesses that a sequence has room for: below its limit, and in its part of the batch."""
        return min(self._limit(sequence) - sequence.completion_tokens - 1, self._max_batch // decoding - 1)

    @staticmethod
    def _prefill_part(sequence: Sequence, tokens: int) -> Part:
        assert sequence.slot is not None
        chunk = sequence.tokens[sequence.n_computed : sequence.n_computed + tokens]
        return Part(sequence.slot, chunk, sequence.n_computed, sample=len(chunk) == sequence.remaining, prefill=True)

    def _advance(self, sequence: Sequence, sampled: list[int], now_ns: int, outcome: Outcome) -> None:
        """Add the sampled tokens, if there are any, and end the sequence where it must end."""
        text, reason, before = "", "", sequence.completion_tokens
        for token in sampled:
            if self._vocabulary.is_end(token) or token in sequence.stop_tokens:
                reason = "stop"
                break
            sequence.tokens.append(token)
            self._shares.sampled(sequence)
            text += sequence.text.push(self._vocabulary.piece(token))
            if sequence.text.stopped or sequence.completion_tokens >= self._limit(sequence):
                reason = "stop" if sequence.text.stopped else "length"
                break
        sequence.sampled(sequence.completion_tokens - before, now_ns)
        if text:
            sequence.answer.append(text)
        if text or not reason:
            outcome.deltas.append(Delta(sequence.id, text, sequence.completion_tokens, sequence.computed))
        if reason:
            self._end(sequence, reason, now_ns, outcome)

    def _limit(self, sequence: Sequence) -> int:
        """Output tokens that a sequence may have: what was asked for, and what fits its context."""
        return min(sequence.max_tokens, self.n_ctx - len(sequence.prompt))

    def _leave(self, sequence: Sequence, now_ns: int) -> None:
        """A slot becomes free: whoever waits has waited for this sequence until now."""
        for waiting in self.waiting if sequence.slot is not None else ():
            blame.of_slot(waiting, sequence, now_ns)

    def _end(self, sequence: Sequence, reason: str, now_ns: int, outcome: Outcome, message: str = "") -> None:
        self._leave(sequence, now_ns)
        finished = sequence.finished(reason, now_ns, message)
        sequence.answer.append(finished.text)
        if sequence.slot is None:
            self.waiting.remove(sequence)
        else:
            self.slots[sequence.slot] = None
            if sequence.started_ns is not None and reason in ("stop", "length"):
                self.mean_held_ns += HELD_WEIGHT * (now_ns - sequence.started_ns - self.mean_held_ns)
            self.placement.release(sequence, usable=reason != "error")
            sequence.slot = None
        outcome.finished.append(finished)
