"""The decode loop without a model: what tests queue, step by step, on a fake clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.engine.backend import BackendError, Batch, StepResult, Vocabulary
from gateway.engine.cache.prefix_cache import PrefixCache
from gateway.engine.cache.tiers.ram import RamTier
from gateway.engine.protocol import Finished
from gateway.engine.schedule.pace import Pace
from gateway.engine.schedule.placement import Placement
from gateway.engine.schedule.scheduler import Scheduler, StepOutcome
from gateway.engine.sequence.sequence import Sequence
from gateway.engine.speculative.drafting import NoDrafting
from tests.engine.fakes import TOKEN_NS, FakeBackend, FakeVocabulary, sequence


class Rig:
    """Scheduler, placement, cache, fake backend and a clock that moves only when a step is computed: by
    `TOKEN_NS` for each of its tokens, and `step_tokens` more.
    """

    def __init__(
        self,
        *,
        slots: int = 4,
        n_ctx: int = 512,
        max_batch: int = 64,
        max_stall_tokens: int = 32,
        ram_bytes: int = 10**9,
        keeps_idle: bool = True,
        period: int = 0,
        step_tokens: int = 0,
        drafting: NoDrafting | None = None,
        cache: PrefixCache | None = None,
        clock_ns: Callable[[], int] | None = None,
        backend: FakeBackend | None = None,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        self.now_ns = 0
        self.step_tokens = step_tokens
        self.backend = backend or FakeBackend(slots, keeps_idle=keeps_idle, period=period)
        self.cache = cache or PrefixCache(RamTier(ram_bytes))
        pace = Pace(float(TOKEN_NS), max_stall_tokens * TOKEN_NS, max_chunk=max_batch)
        self.placement = Placement(slots, self.backend, self.cache, pace, clock_ns or (lambda: self.now_ns))
        self.scheduler = Scheduler(
            placement=self.placement,
            n_ctx=n_ctx,
            max_batch=max_batch,
            pace=pace,
            vocabulary=vocabulary or FakeVocabulary(),
            drafting=drafting,
        )
        self.texts: dict[str, str] = {}
        self.finished: dict[str, Finished] = {}
        self.batches: list[Batch] = []

    def add(self, *sequences: Sequence) -> None:
        """Queue sequences, now."""
        for queued in sequences:
            queued.stamps.queued_ns = self.now_ns
            self.scheduler.add(queued)

    def step(self) -> Batch:
        """One turn of the decode loop."""
        batch = self.scheduler.plan(self.now_ns)
        self.batches.append(batch)
        if batch.parts:
            start_ns = self.now_ns
            batch = self._draft(batch)
            drafting_ns = self.now_ns - start_ns
            self.now_ns += TOKEN_NS * (self.step_tokens + batch.prefill_tokens + batch.decode_tokens)
            self.batches[-1] = batch
            try:
                sampled = self.backend.compute(batch)
            except BackendError as error:
                self._take(self.scheduler.fail(batch, str(error), self.now_ns))
            else:
                self._take(
                    self.scheduler.apply(batch, StepResult(start_ns, self.now_ns, sampled, drafting_ns))
                )
        self.check()
        return batch

    def _draft(self, batch: Batch) -> Batch:
        """What is to be drafted for a batch: nothing without a draft model."""
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

    def answer(self, name: str, prompt: list[int], max_tokens: int, **more: Any) -> Sequence:
        """Run one sequence to its end, alone."""
        one = sequence(name, prompt, max_tokens, **more)
        self.add(one)
        self.run()
        return one

    def check(self) -> None:
        """Scheduler, placement, cache and backend agree on who holds what."""
        self.scheduler.check_integrity()
        running = {sequence.slot: sequence for sequence in self.scheduler.running}
        assert set(running) == set(self.backend.opened), (
            f"scheduler runs {set(running)}, backend {self.backend.opened}"
        )
        for slot, entry in enumerate(self.placement.states.entries):
            state = self.backend.slots[slot]
            assert len(state) == (0 if entry is None else entry.n_computed), (
                f"slot {slot}: {len(state)} tokens in the backend"
            )
            one = running.get(slot)
            known = (
                one.progress.tokens
                if one is not None
                else []
                if entry is None
                else [int(token) for token in entry.tokens]
            )
            assert known[: len(state)] == state, f"slot {slot} holds another sequence's tokens"

    def _take(self, outcome: StepOutcome) -> None:
        for delta in outcome.deltas:
            self.texts[delta.id] = self.texts.get(delta.id, "") + delta.text
        for finished in outcome.finished:
            assert finished.id not in self.finished, f"{finished.id} finished twice"
            self.finished[finished.id] = finished
            self.texts[finished.id] = self.texts.get(finished.id, "") + finished.text
