"""Continuous batching as a pure state machine: `plan(now) → Batch`, `apply(StepResult) → Outcome`.

It knows no clock, no model and no pipe: time is an argument, tokens mean what the `Vocabulary` says, and whoever
drives it computes the batches (`gateway.engine.loop`; a fake in tests). Every slot decodes first; what the `Pace`
leaves goes to prompts: half to the oldest, the rest to the shortest, so that nothing starves and short prompts
are quick.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gateway.engine.backend import Batch, Part, StepResult, Vocabulary
from gateway.engine.pace import Pace
from gateway.engine.protocol import Chunk, Delta, Finished, Started
from gateway.engine.sequence import Sequence

MAX_HOLDERS = 8
"""Requests named as holding the slots that a queued one waits for (SIGNALS: at most 8 links)."""


@dataclass(slots=True)
class Outcome:
    """What a step or a cancel led to: messages for the gateway, and slots that the backend must free."""

    deltas: list[Delta] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)


class Scheduler:
    """Owns the waiting queue and the slots. `n_ctx` is tokens per sequence; `max_batch` tokens per step."""

    def __init__(self, *, slots: int, n_ctx: int, max_batch: int, pace: Pace, vocabulary: Vocabulary) -> None:
        self.n_ctx = n_ctx
        self.waiting: deque[Sequence] = deque()
        self.slots: list[Sequence | None] = [None] * slots
        self.started: list[Started] = []
        self._max_batch = max_batch
        self._pace = pace
        self._vocabulary = vocabulary

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
        opened = self._fill_slots()
        decoding = [sequence for sequence in self.running if not sequence.prefilling]
        parts = [self._decode_part(sequence) for sequence in decoding]
        budget = min(self._pace.budget(len(decoding)), self._max_batch - len(parts))
        for sequence, tokens in self._share(budget):
            self._start(sequence, now_ns)
            parts.append(self._prefill_part(sequence, tokens))
        return Batch(tuple(parts), tuple(opened))

    def apply(self, batch: Batch, result: StepResult) -> Outcome:
        """Take in what a batch gave: advance prompts, add tokens, end what is complete."""
        self._pace.learn(result.end_ns - result.start_ns, batch.prefill_tokens, batch.decode_tokens)
        outcome = Outcome()
        for part in batch.parts:
            sequence = self.slots[part.slot]
            assert sequence is not None, f"slot {part.slot} was in a batch and is empty"
            if part.prefill:
                sequence.add_chunk(Chunk(result.start_ns, result.end_ns, len(part.tokens), len(batch.parts)))
            else:
                sequence.steps += 1
                sequence.batch_sum += len(batch.parts)
            self._advance(sequence, result.sampled.get(part.slot), result.end_ns, outcome)
        return outcome

    def fail(self, batch: Batch, message: str, now_ns: int) -> Outcome:
        """A batch could not be computed: its sequences end with an error, the others go on."""
        outcome = Outcome()
        for part in batch.parts:
            sequence = self.slots[part.slot]
            if sequence is not None:
                self._end(sequence, "error", now_ns, outcome, message)
        return outcome

    def check_integrity(self) -> None:
        """Raise AssertionError unless slots, queue and sequences agree."""
        seen: set[int] = set()
        for slot, sequence in enumerate(self.slots):
            if sequence is not None:
                assert sequence.slot == slot, f"{sequence.id} believes to be in slot {sequence.slot}, not {slot}"
                assert sequence.started_ns is not None or sequence.computed == 0, f"{sequence.id} was computed and never started"
                assert 0 <= sequence.computed <= len(sequence.prompt), f"{sequence.id}: {sequence.computed} computed"
                assert len(sequence.prompt) + sequence.completion_tokens <= self.n_ctx, f"{sequence.id} outgrew its context"
                assert id(sequence) not in seen, f"{sequence.id} holds two slots"
                seen.add(id(sequence))
        for sequence in self.waiting:
            assert sequence.slot is None, f"{sequence.id} waits and holds slot {sequence.slot}"
            assert sequence.computed == 0, f"{sequence.id} waits and was computed"

    def _fill_slots(self) -> list[int]:
        opened = []
        for slot, held in enumerate(self.slots):
            if held is None and self.waiting:
                sequence = self.waiting.popleft()
                sequence.slot = slot
                self.slots[slot] = sequence
                opened.append(slot)
        return opened

    def _share(self, budget: int) -> list[tuple[Sequence, int]]:
        """Divide prompt tokens among prefilling sequences: half to the oldest, then shortest first."""
        prompts = [sequence for sequence in self.running if sequence.prefilling]
        if not prompts or budget <= 0:
            return []
        oldest = min(prompts, key=lambda sequence: sequence.queued_ns)
        shares = {id(oldest): min(oldest.remaining, max(1, budget // 2))}
        left = budget - shares[id(oldest)]
        for sequence in sorted(prompts, key=lambda sequence: (sequence.remaining, sequence.queued_ns)):
            given = shares.get(id(sequence), 0)
            more = min(sequence.remaining - given, left)
            shares[id(sequence)] = given + more
            left -= more
        return [(sequence, shares[id(sequence)]) for sequence in prompts if shares[id(sequence)] > 0]

    def _start(self, sequence: Sequence, now_ns: int) -> None:
        """The queue phase ends with the first tokens that are computed: holding a slot is still waiting."""
        if sequence.started_ns is None:
            sequence.started_ns = now_ns
            self.started.append(Started(sequence.id, sequence.queue_timing(now_ns)))

    @staticmethod
    def _decode_part(sequence: Sequence) -> Part:
        assert sequence.slot is not None
        assert sequence.last_token is not None
        position = len(sequence.prompt) + sequence.completion_tokens - 1
        return Part(sequence.slot, (sequence.last_token,), position, sample=True, prefill=False)

    @staticmethod
    def _prefill_part(sequence: Sequence, tokens: int) -> Part:
        assert sequence.slot is not None
        chunk = sequence.prompt[sequence.computed : sequence.computed + tokens]
        return Part(sequence.slot, chunk, sequence.computed, sample=tokens == sequence.remaining, prefill=True)

    def _advance(self, sequence: Sequence, token: int | None, now_ns: int, outcome: Outcome) -> None:
        """Add the sampled token, if there is one, and end the sequence where it must end."""
        text = ""
        if token is not None:
            if self._vocabulary.is_end(token) or token in sequence.stop_tokens:
                self._end(sequence, "stop", now_ns, outcome)
                return
            sequence.last_token = token
            sequence.add_token(now_ns)
            text = sequence.text.push(self._vocabulary.piece(token))
        outcome.deltas.append(Delta(sequence.id, text, sequence.completion_tokens, sequence.computed))
        if sequence.text.stopped:
            self._end(sequence, "stop", now_ns, outcome)
        elif sequence.completion_tokens >= self._limit(sequence):
            self._end(sequence, "length", now_ns, outcome)

    def _limit(self, sequence: Sequence) -> int:
        """Output tokens that a sequence may have: what was asked for, and what fits its context."""
        return min(sequence.max_tokens, self.n_ctx - len(sequence.prompt))

    def _end(self, sequence: Sequence, reason: str, now_ns: int, outcome: Outcome, message: str = "") -> None:
        if sequence.slot is None:
            self.waiting.remove(sequence)
        else:
            self.slots[sequence.slot] = None
            outcome.closed.append(sequence.slot)
            sequence.slot = None
        outcome.finished.append(sequence.finished(reason, now_ns, message))
