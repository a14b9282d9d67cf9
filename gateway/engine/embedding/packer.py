"""Packing inputs of many requests into batches: a pure state machine, for engines that only read prompts."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gateway.engine.schedule.fairness import FairShare

Vector = bytes
"""32-bit floats, as `numpy.ndarray.tobytes` gives them."""


@dataclass(slots=True, eq=False)
class Job:
    """One request: the tokens of each input, and the vectors that are there. Stamps are monotonic
    nanoseconds.
    """

    id: str
    inputs: list[list[int]]
    queued_ns: int
    caller: str = ""
    started_ns: int | None = None
    steps: int = 0
    next_input: int = 0
    vectors: dict[int, Vector] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """True where every input has its vector."""
        return len(self.vectors) == len(self.inputs)


@dataclass(frozen=True, slots=True)
class Item:
    """One input in a batch."""

    job: Job
    index: int

    @property
    def tokens(self) -> list[int]:
        return self.job.inputs[self.index]


class Packer:
    """The caller who has had least is next, and the jobs of one caller take turns, one input at a time:
    neither many inputs nor many requests hold others up.

    A batch has at most `max_tokens` tokens and `max_sequences` inputs; no input may be longer than
    `max_tokens`.
    """

    def __init__(self, *, max_tokens: int, max_sequences: int) -> None:
        self._max_tokens = max_tokens
        self._max_sequences = max_sequences
        self.jobs: deque[Job] = deque()
        """Those with inputs that are in no batch yet; of one caller's, the next to take from first."""
        self._shares = FairShare()

    def add(self, job: Job) -> None:
        """Take a job in."""
        assert job.inputs, "intake refuses requests without inputs"
        fit = all(0 < len(tokens) <= self._max_tokens for tokens in job.inputs)
        assert fit, "intake refuses inputs that fit no batch"
        self._shares.arrived(job, self.jobs)
        self.jobs.append(job)

    def cancel(self, job_id: str) -> Job | None:
        """Forget a job; returns it unless it had ended."""
        job = next((job for job in self.jobs if job.id == job_id), None)
        if job is not None:
            self.jobs.remove(job)
        return job

    def plan(self, now_ns: int) -> list[Item]:
        """The next batch. It ends at the first input that does not fit, so that long inputs are not passed
        for ever.
        """
        items: list[Item] = []
        tokens = 0
        while self.jobs and len(items) < self._max_sequences:
            job = min(self.jobs, key=self._shares.served)
            item = Item(job, job.next_input)
            tokens += len(item.tokens)
            if tokens > self._max_tokens:
                break
            items.append(item)
            self._advance(job, now_ns)
        for job in _jobs(items):
            job.steps += 1
        return items

    def apply(self, items: list[Item], vectors: list[Vector]) -> list[Job]:
        """Hand a batch's vectors out; returns the jobs that are over with it."""
        for item, vector in zip(items, vectors, strict=True):
            item.job.vectors[item.index] = vector
        return [job for job in _jobs(items) if job.over]

    def fail(self, items: list[Item]) -> list[Job]:
        """Forget the jobs of a batch that could not be computed, and return them."""
        failed = _jobs(items)
        self.jobs = deque(job for job in self.jobs if job not in failed)
        return failed

    def _advance(self, job: Job, now_ns: int) -> None:
        """The job's next input is in a batch: it goes to the end of the line, or out of it."""
        self._shares.computed(job, len(job.inputs[job.next_input]))
        self.jobs.remove(job)
        job.started_ns = job.started_ns or now_ns
        job.next_input += 1
        if job.next_input < len(job.inputs):
            self.jobs.append(job)


def _jobs(items: list[Item]) -> list[Job]:
    """The jobs of a batch, each once."""
    return list({item.job.id: item.job for item in items}.values())
