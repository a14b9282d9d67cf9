"""Requests that are looked up, read and served with a fake backend, over any cache, by the real clock."""

from __future__ import annotations

import time
from collections.abc import Sequence as Tokens
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.engine.cache.lookup import CacheLookup
from gateway.engine.protocol import Submit
from gateway.engine.sequence.sequence import Sequence
from gateway.sampling import Sampling
from telemetry.events import Phase
from tests.engine.cache.caches import Disk
from tests.engine.fakes import sequence
from tests.engine.rig import Rig


class NoTokenizer:
    """Each token is one byte of the text."""

    def sizes(self, tokens: Tokens[int]) -> npt.NDArray[np.int64]:
        return np.ones(len(tokens), dtype=np.int64)


def a_rig_on(one: Disk, slots: int = 1) -> Rig:
    """Scheduler and fake backend over this cache, by the real clock: stamps of both threads are compared."""
    return Rig(slots=slots, cache=one.cache, clock_ns=time.monotonic_ns)


def looked_up(one: Disk, name: str, prompt: list[int]) -> Sequence:
    """A sequence as intake hands it over: what is on disk of it has been read."""
    tokenizer: Any = NoTokenizer()  # what the lookup needs of it
    lookup = CacheLookup(one.cache, tokenizer, kernel_min_rows=0, enabled=True)
    made = sequence(name, prompt, 3)
    request = Submit(id=name, messages=[{"role": "user", "content": "x" * len(prompt)}], sampling=Sampling())
    lookup.look_up(made, request, "x" * len(prompt), time.monotonic_ns())
    delivered: list[Sequence] = []
    lookup.make_ready(made, delivered.append)
    if not delivered:
        one.thread.run_once(0)
    assert delivered == [made]
    return made


def turn(rig: Rig) -> None:
    """One step by the real clock."""
    rig.now_ns = time.monotonic_ns()
    rig.step()


def served(rig: Rig, one: Sequence) -> dict[Phase, list[tuple[int, int]]]:
    """Run it; returns its phases."""
    rig.scheduler.add(one)
    while one.id not in rig.finished:
        turn(rig)
    started = next(started for started in rig.scheduler.started if started.id == one.id)
    phases: dict[Phase, list[tuple[int, int]]] = {}
    for timing in [*started.timings, *rig.finished[one.id].timings]:
        phases.setdefault(Phase(timing.phase), []).append((timing.start_ns, timing.end_ns))
    return phases
