"""A backend without a model: each sequence's tokens follow from its own prompt, so mixing would be seen at once."""

from __future__ import annotations

from collections.abc import Sequence as Tokens

from gateway.engine.backend import BackendError, Batch, StepResult
from gateway.engine.pace import Pace
from gateway.engine.protocol import Finished, Sampling
from gateway.engine.scheduler import Outcome, Scheduler
from gateway.engine.sequence import Sequence
from gateway.engine.text import TextAssembler

END = 0
"""The fake vocabulary's end-of-generation token."""

TOKEN_NS = 1_000_000
"""What each token of a batch costs on the fake clock."""


class FakeVocabulary:
    """Token n is the text `<n>`."""

    def piece(self, token: int) -> bytes:
        return f"<{token}>".encode()

    def is_end(self, token: int) -> bool:
        return token == END


class FakeBackend:
    """Keeps the tokens of each slot and answers with `next_token` of them; checks every position that it is given."""

    def __init__(self) -> None:
        self.slots: dict[int, list[int]] = {}
        self.fail_next = False

    def open(self, slot: int, sampling: Sampling) -> None:
        assert slot not in self.slots, f"slot {slot} was opened twice"
        self.slots[slot] = []

    def compute(self, batch: Batch) -> dict[int, int]:
        if self.fail_next:
            self.fail_next = False
            raise BackendError("the fake was told to fail")
        sampled = {}
        for part in batch.parts:
            held = self.slots[part.slot]
            assert part.position == len(held), f"slot {part.slot} holds {len(held)} tokens and was given position {part.position}"
            held.extend(part.tokens)
            if part.sample:
                sampled[part.slot] = next_token(held)
        return sampled

    def close(self, slot: int) -> None:
        del self.slots[slot]

    def used_tokens(self) -> int:
        return sum(len(held) for held in self.slots.values())


def next_token(held: Tokens[int]) -> int:
    """Depends on the first token (whose conversation it is) and the length only."""
    return held[0] * 1000 + len(held)


def expected(prompt: Tokens[int], count: int) -> list[int]:
    """What a sequence of this prompt must be given."""
    return [prompt[0] * 1000 + len(prompt) + index for index in range(count)]


def sequence(name: str, prompt: list[int], max_tokens: int, *, stop: tuple[str, ...] = (), queued_ns: int = 0) -> Sequence:
    """A sequence ready to be queued."""
    return Sequence(id=name, prompt=prompt, sampling=Sampling(), max_tokens=max_tokens, text=TextAssembler(stop), queued_ns=queued_ns)


class Rig:
    """Scheduler, fake backend and a clock that moves only when a step is computed."""

    def __init__(self, *, slots: int = 4, n_ctx: int = 512, max_batch: int = 64, max_stall_tokens: int = 32) -> None:
        self.now_ns = 0
        self.backend = FakeBackend()
        pace = Pace(float(TOKEN_NS), max_stall_tokens * TOKEN_NS, max_chunk=max_batch)
        self.scheduler = Scheduler(slots=slots, n_ctx=n_ctx, max_batch=max_batch, pace=pace, vocabulary=FakeVocabulary())
        self.texts: dict[str, str] = {}
        self.finished: dict[str, Finished] = {}
        self.batches: list[Batch] = []

    def add(self, *sequences: Sequence) -> None:
        """Queue sequences, now."""
        for queued in sequences:
            queued.queued_ns = self.now_ns
            self.scheduler.add(queued)

    def step(self) -> Batch:
        """One turn of the decode loop."""
        batch = self.scheduler.plan(self.now_ns)
        self.batches.append(batch)
        for slot in batch.opened:
            self.backend.open(slot, Sampling())
        if batch.parts:
            start_ns, self.now_ns = self.now_ns, self.now_ns + TOKEN_NS * (batch.prefill_tokens + batch.decode_tokens)
            try:
                sampled = self.backend.compute(batch)
            except BackendError as error:
                self._take(self.scheduler.fail(batch, str(error), self.now_ns))
            else:
                self._take(self.scheduler.apply(batch, StepResult(start_ns, self.now_ns, sampled)))
        self.check()
        return batch

    def cancel(self, name: str) -> None:
        """Cancel a sequence between two steps."""
        self._take(self.scheduler.cancel(name, self.now_ns))
        self.check()

    def run(self, most_steps: int = 10_000) -> None:
        """Until nothing is left."""
        for _ in range(most_steps):
            if self.scheduler.idle:
                return
            self.step()
        raise AssertionError(f"still busy after {most_steps} steps")

    def check(self) -> None:
        """Scheduler and backend agree on who holds which slot."""
        self.scheduler.check_integrity()
        held = {running.slot for running in self.scheduler.running}
        assert held == set(self.backend.slots), f"scheduler holds {held}, backend {set(self.backend.slots)}"

    def _take(self, outcome: Outcome) -> None:
        for slot in outcome.closed:
            self.backend.close(slot)
        for delta in outcome.deltas:
            self.texts[delta.id] = self.texts.get(delta.id, "") + delta.text
        for finished in outcome.finished:
            assert finished.id not in self.finished, f"{finished.id} finished twice"
            self.finished[finished.id] = finished
            self.texts[finished.id] = self.texts.get(finished.id, "") + finished.text
