"""Inter-token latency with accepted guesses: a step's time is shared by the tokens that it brought, and
nothing is lost.
"""

from __future__ import annotations

import queue
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.backend import StepResult
from gateway.engine.protocol import Finished, Message
from gateway.engine.schedule.loop import DecodeLoop
from gateway.engine.threads.control import ThreadControl
from tests.engine.fakes import TOKEN_NS, sequence
from tests.engine.rig import Rig

STEPS = st.lists(st.tuples(st.integers(0, 8), st.integers(1, 10**9)), min_size=1, max_size=40)


@given(st.integers(0, 10**6), STEPS)
def test_the_gaps_of_a_request_add_up(first_us: int, steps: list[tuple[int, int]]) -> None:
    """To the time from its first token to its last, however many tokens came with each step; equal ones
    within a step.
    """
    one = sequence("a", [1], 1000).stamps
    now_ns = first_us * 1000
    one.sampled(1, now_ns)
    waits = []
    for tokens, waited_us in steps:
        now_ns += waited_us * 1000
        one.sampled(tokens, now_ns)
        waits.append((tokens, waited_us))
    assert one.first_token_ns is not None
    assert one.last_token_ns is not None
    assert sum(one.gaps_us) == (one.last_token_ns - one.first_token_ns) // 1000
    given_tokens = [tokens for tokens, _ in waits if tokens]
    assert len(one.gaps_us) == sum(given_tokens)
    assert one.bursts == (given_tokens if max(given_tokens, default=1) > 1 else [])
    at = 0
    for tokens in given_tokens:
        gaps = one.gaps_us[at : at + tokens]
        assert max(gaps) - min(gaps) <= 1
        at += tokens


def test_accepted_guesses_are_no_gaps_of_nothing() -> None:
    """Text that repeats: many tokens in one step, and each has its part of the time that the step took."""
    rig = Rig(period=10, max_batch=64, step_tokens=20)
    rig.answer("a", [3] * 5, 200, drafting=True)
    finished = rig.finished["a"]
    assert max(finished.bursts) > 4
    assert sum(finished.bursts) == len(finished.gaps_us) == 199
    assert min(finished.gaps_us) > 0
    assert finished.first_token_ns is not None
    assert finished.last_token_ns is not None
    assert sum(finished.gaps_us) * 1000 == finished.last_token_ns - finished.first_token_ns


def test_tokens_behind_the_end_have_no_part() -> None:
    """A step whose last tokens are dropped, behind a stop string, gives its time to those that were kept."""
    rig = Rig()
    rig.add(sequence("a", [3] * 5, 200, stop=("<6>",)))
    rig.step()
    batch = rig.scheduler.plan(rig.now_ns)
    outcome = rig.scheduler.apply(batch, StepResult(rig.now_ns, rig.now_ns + 9_000_000, {0: [5, 6, 7, 8]}))
    (finished,) = outcome.finished
    assert (finished.reason, finished.completion_tokens) == ("stop", 3)
    assert (finished.gaps_us, finished.bursts) == ([4500, 4500], [2])


class Driven:
    """The real loop over the fake backend, without its thread; guesses seem to cost nothing, however slow
    they are here.
    """

    def __init__(self, **more: Any) -> None:
        self.rig = Rig(**more)
        self.said: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.loop = DecodeLoop(
            self.rig.scheduler, self.rig.backend, self._say, ThreadControl(1, 1, self.rig.backend.use_threads)
        )

    def _say(self, *messages: Message) -> None:
        for message in messages:
            self.said.put(message)

    def run(self) -> Finished:
        """Until a request is over."""
        pace = self.rig.scheduler.pace
        while True:
            pace.decode_step_ns, pace.draft_token_ns, pace.draft_step_ns = 100.0 * TOKEN_NS, 1.0, 1.0
            self.loop.turn()
            while not self.said.empty():
                if isinstance(message := self.said.get(), Finished):
                    return message


def test_steps_tell_what_they_gave_and_what_was_in_vain() -> None:
    """Sampled tokens are the answer's; guesses that were wrong are counted apart, and all are what was
    computed.
    """
    driven = Driven(period=7, max_batch=64)
    driven.loop.deliver(sequence("a", [3] * 5 + [3000 + n % 7 for n in range(5, 30)] * 2, 200, drafting=True))
    finished = driven.run()
    samples = list(driven.loop.samples)
    rejected = sum(sample.rejected_tokens for sample in samples)
    assert sum(sample.decode_tokens for sample in samples) + 1 == finished.completion_tokens == 200
    computed = sum(
        sample.prefill_tokens + sample.decode_tokens + sample.rejected_tokens for sample in samples
    )
    assert computed == driven.rig.backend.computed
    decode = finished.timings[-1].attributes
    assert rejected == int(decode["draft"]) - int(decode["accepted"]) > 0
