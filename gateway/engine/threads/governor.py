"""How many threads compute now: fewer while others want the cores too. Pure: time and measurements are
arguments.

llama.cpp's threads meet at a barrier after each operation of a step, some hundred times. A thread that waits
for a core makes all others wait, so two threads on one and a half cores are slower than one thread on one.
What tells is the kernel's own count of the time that threads were ready to run and had no core.
"""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_NS = 80_000_000
"""Time of computing that is judged at once; a step that takes longer is judged by itself."""

PROBE_NS = 25_000_000
"""The same while more threads are tried: a wrong guess is slow."""

DECODE_LOST, PROMPT_LOST = 0.35, 0.55
"""From so many cores lost on, one thread is faster than two: for a step of answers and for one of prompts,
which is longer between barriers. Measured beside programs that use 20 to 100 % of a core (bench/RESULTS.md).
"""

MANY_LOST = 0.35
"""The same for more than two threads, of which one less costs little."""

NOISE = 0.02
"""Share of its time that each thread loses on any machine, to interrupts and the gateway."""

FIRST_HOLD_NS, LONGEST_HOLD_NS = 1_000_000_000, 16_000_000_000
"""Before more threads are tried again; doubled each time that it was in vain."""

IDLE_CORE = 0.65
"""A core that was idle for this share of a window is free: then there is no need to wait for the next try."""


@dataclass(frozen=True, slots=True)
class CoreWindow:
    """What was measured while steps were computed for `computed_ns`: what all threads together had of it on a
    core, and what they were ready to run and had no core (ns).

    `idle_cores` is how many of the machine's cores had nothing to do, None where nobody can say.
    """

    computed_ns: int
    ran_ns: int
    waited_ns: int
    idle_cores: float | None = None

    @property
    def lost_cores(self) -> float:
        """Cores that the threads wanted and did not get."""
        return self.waited_ns / self.computed_ns if self.computed_ns else 0.0

    @property
    def contention(self) -> float:
        """Share of the threads' time without a core."""
        wanted_ns = self.ran_ns + self.waited_ns
        return self.waited_ns / wanted_ns if wanted_ns else 0.0


class Governor:
    """Decides the number of threads, between one and `most`, from windows of measurements.

    `contention` is the share of time that the threads waited for a core when that was last measured with more
    threads than are in use, or else now: fewer threads that do not wait are no sign that the others have
    left.
    """

    def __init__(self, most: int, lost_limit: float = DECODE_LOST) -> None:
        self._lost_limit = lost_limit
        self.wanted = self.most = self.threads = most
        self.contention = 0.0
        self._hold_ns = FIRST_HOLD_NS
        self._next_try_ns = 0
        self._before: int | None = None
        """Threads before a try that is under way."""

    @property
    def window_ns(self) -> int:
        """Time of computing until the next judgement."""
        return WINDOW_NS if self._before is None else PROBE_NS

    @property
    def contended(self) -> bool:
        """Whether others take cores now, as far as is known."""
        return self.threads < self.most

    @property
    def _limit_now(self) -> float:
        return self._lost_limit if self.threads <= 2 else min(self._lost_limit, MANY_LOST)

    def limit(self, most: int) -> None:
        """Others of our own shall have a part of the cores: use at most so many threads, at once; or more
        again.
        """
        most = max(1, min(most, self.wanted))
        if most != self.most:
            grows, self.most = most > self.most, most
            self.threads = most if grows else min(self.threads, most)
            self._before = None
            self._hold_ns = FIRST_HOLD_NS

    @property
    def trying(self) -> bool:
        """Whether more threads are in use than are known to pay."""
        return self._before is not None

    def follow_down(self, threads: int, contention: float, now_ns: int) -> None:
        """What needs cores less than this gave some up: so does this, until it tries by itself."""
        if threads < self.threads:
            self.threads, self.contention, self._before = max(1, threads), contention, None
            self._next_try_ns = now_ns + self._hold_ns

    def follow_up(self, threads: int) -> None:
        """What needs cores more than this has so many: so can this."""
        if threads > self.threads:
            self.threads, self._before = min(self.most, threads), None
            self.contention = 0.0

    def observe(self, window: CoreWindow, now_ns: int) -> None:
        """Judge one window; `threads` is the answer."""
        lost = window.lost_cores
        if lost >= self._limit_now + NOISE * self.threads:
            self._fewer(window, lost, now_ns)
        elif self._before is not None:
            self._keep(window, now_ns)
        elif self.threads < self.most:
            self._try_more(window, now_ns)
        else:
            self.contention = window.contention

    def _fewer(self, window: CoreWindow, lost: float, now_ns: int) -> None:
        self.contention = window.contention
        if self._before is not None or now_ns < self._next_try_ns:  # a try was in vain, or did not last
            self._hold_ns = min(LONGEST_HOLD_NS, 2 * self._hold_ns)
        fewer = max(1, self.threads - max(1, round(lost)))
        self.threads = fewer if self._before is None else max(1, min(self._before, fewer))
        self._before = None
        self._next_try_ns = now_ns + self._hold_ns

    def _keep(self, window: CoreWindow, now_ns: int) -> None:
        """More threads did not wait."""
        self._before = None
        self.contention = window.contention
        self._next_try_ns = now_ns + self._hold_ns  # until then, waiting again counts as a try in vain
        if self.threads == self.most:
            self._hold_ns = max(FIRST_HOLD_NS, self._hold_ns // 2)

    def _try_more(self, window: CoreWindow, now_ns: int) -> None:
        free = 0.0 if window.idle_cores is None else window.idle_cores
        if now_ns < self._next_try_ns and (
            free < IDLE_CORE or now_ns < self._next_try_ns - self._hold_ns + FIRST_HOLD_NS // 4
        ):
            return
        more = (
            max(1, int(free + 1 - IDLE_CORE))
            if window.idle_cores is not None
            else -(-(self.most - self.threads) // 2)
        )
        self._before, self.threads = self.threads, min(self.most, self.threads + more)
