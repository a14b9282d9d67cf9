"""The threads of one engine: measured while it computes, changed between two steps. Runs on the decode
thread.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.engine.schedule.pace import Pace
from gateway.engine.threads.core_time import CoreClock, core_clock
from gateway.engine.threads.governor import DECODE_LOST, PROMPT_LOST, Governor
from telemetry.events import ThreadSample

CONTENDED = 0.1
"""Share of time without a core from which requests are told that they were slowed."""


class ThreadControl:
    """Keeps a context's threads at what the machine has for it, apart for answers and for prompts.

    `decode` and `batch` are the threads for tokens of answers and for prompts that were set or chosen, which
    are never exceeded; `apply` sets both. With `adaptive` False only what other engines of this gateway need
    is given up.
    """

    def __init__(
        self,
        decode: int,
        batch: int,
        apply: Callable[[int, int], None],
        *,
        pace: Pace | None = None,
        adaptive: bool = True,
        clock: Callable[[], CoreClock] = core_clock,
    ) -> None:
        self.decode = Governor(max(1, decode), DECODE_LOST)
        self.batch = Governor(max(1, batch), PROMPT_LOST)
        self._apply = apply
        self._pace = pace
        self._adaptive = adaptive and max(decode, batch) > 1
        self._new_clock = clock
        self._clock: CoreClock | None = None
        self._computed_ns = 0
        self._last = self.batch
        """The governor of what is computed."""
        self._judged = False
        self._share = (0, 1)

    @property
    def threads(self) -> tuple[int, int]:
        """For answers and for prompts."""
        return self.decode.threads, self.batch.threads

    def sample(self) -> ThreadSample:
        """For the heartbeat. Called from another thread."""
        last = self._last
        return ThreadSample(last.threads, last.wanted, last.most, last.contention if self._judged else None)

    def share(self, part: int, parts: int) -> None:
        """So many engines of this gateway have work, and this is number `part` of them. Called from
        another thread.
        """
        self._share = (part, parts)

    def begin(self, *, prompts: bool) -> None:
        """Before a step, with prompts in it or without: take in what other engines need; a window is of
        steps of one kind.
        """
        governor = self.batch if prompts else self.decode
        if governor is not self._last and self._clock is not None:
            self._clock.window(governor.threads, 0)
            self._computed_ns = 0
        self._last = governor
        part, parts = self._share
        before = self.threads
        for governor in (self.decode, self.batch):
            most = max(1, governor.wanted * (part + 1) // parts - governor.wanted * part // parts)
            if most != governor.most:
                governor.limit(most)
        self._use(*before)

    def stepped(self, duration_ns: int, now_ns: int) -> None:
        """After a step: judge what was measured, when it is enough."""
        if not self._adaptive:
            return
        if self._clock is None:  # here, since the decode thread is to be measured
            self._clock = self._new_clock()
            return
        self._computed_ns += duration_ns
        if self._computed_ns >= self._last.window_ns:
            self._judge(self._clock, self._last, now_ns)

    def _judge(self, clock: CoreClock, governor: Governor, now_ns: int) -> None:
        before = self.threads
        governor.observe(clock.window(governor.threads, self._computed_ns), now_ns)
        self._computed_ns, self._judged = 0, True
        if governor is self.batch and governor.threads < before[1]:
            self.decode.follow_down(governor.threads, governor.contention, now_ns)
        elif governor is self.decode and not governor.trying:
            self.batch.follow_up(governor.threads)
        if self._pace is not None:
            self._pace.contended = governor.contended or governor.contention > CONTENDED
            if not self._pace.contended:
                self._pace.keep_calm(*before)
        self._use(*before)

    def _use(self, decode: int, batch: int) -> None:
        """Where the numbers of threads are not these any more, change them."""
        now = self.threads
        if now == (decode, batch):
            return
        self._apply(*now)
        if self._pace is not None and now[0] != decode:
            self._pace.use_decode_threads(decode, now[0])
        if self._pace is not None and now[1] != batch:
            self._pace.use_prompt_threads(batch, now[1])
