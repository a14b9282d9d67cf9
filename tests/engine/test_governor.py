"""The number of threads follows the cores that are really there: pure, on a made-up machine and clock."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from gateway.engine.threads.governor import FIRST_HOLD_NS, LONGEST_HOLD_NS, CoreWindow, Governor

SECOND = 1_000_000_000
STEP_NS = 30_000_000


class Machine:
    """`cores` for all: an engine with a governor, and `busy` programs that never stop; the kernel shares
    fairly.
    """

    def __init__(self, cores: int, *, tells_idle: bool = True) -> None:
        self.cores = cores
        self.busy = 0
        self.now_ns = 0
        self.governor = Governor(cores)
        self.tells_idle = tells_idle
        self.used: list[int] = []
        """Threads of each window."""

    def window(self) -> CoreWindow:
        threads = self.governor.threads
        share = min(1.0, self.cores / (threads + self.busy))
        wall_ns = self.governor.window_ns
        ran, waited = round(wall_ns * share), round(wall_ns * (1 - share))
        idle = max(0.0, self.cores - threads - self.busy) if self.tells_idle else None
        return CoreWindow(wall_ns, ran * threads, waited * threads, idle)

    def run(self, seconds: float, each: Callable[[], None] = lambda: None) -> None:
        end_ns = self.now_ns + int(seconds * SECOND)
        while self.now_ns < end_ns:
            self.used.append(self.governor.threads)
            window = self.window()
            self.now_ns += self.governor.window_ns
            self.governor.observe(window, self.now_ns)
            each()


def test_an_idle_machine_gives_all_threads() -> None:
    """Nothing is tried, nothing is given up."""
    machine = Machine(8)
    machine.run(60)
    assert set(machine.used) == {8}
    assert machine.governor.contention == 0


def test_one_busy_program_costs_one_thread_within_a_moment() -> None:
    """Two threads on two cores beside a busy loop: one, in less than a fifth of a second of computing."""
    machine = Machine(2)
    machine.busy = 1
    machine.run(0.2)
    assert machine.governor.threads == 1
    assert machine.governor.contended
    assert 0.3 < machine.governor.contention < 0.4


def test_tries_for_more_become_rare() -> None:
    """While the others stay, less than a fiftieth of the time goes to trying."""
    machine = Machine(2)
    machine.busy = 1
    machine.run(10)
    machine.used.clear()
    machine.run(60)
    assert machine.used.count(2) / len(machine.used) < 0.02
    assert machine.governor.contention > 0.3, (
        "one thread that does not wait is no sign that the others have left"
    )


def test_all_threads_come_back_when_the_others_leave() -> None:
    """Quickly where the kernel tells of idle cores; at the next try where it does not."""
    for tells_idle, most_s in ((True, 0.6), (False, LONGEST_HOLD_NS / SECOND + 1)):
        machine = Machine(4, tells_idle=tells_idle)
        machine.busy = 3
        machine.run(30)
        assert machine.governor.threads < 4
        machine.busy = 0
        machine.run(most_s if tells_idle else 2 * most_s)
        assert machine.governor.threads == 4, tells_idle
        machine.run(1)
        assert machine.governor.contention == 0


def test_a_machine_that_is_full_leaves_one_thread() -> None:
    """Never none, whatever is lost."""
    machine = Machine(4)
    machine.busy = 40
    machine.run(5)
    assert machine.governor.threads == 1


def test_programs_that_come_and_go_do_not_make_it_flutter() -> None:
    """Half a second busy, half a second idle: the number of threads changes less and less often."""
    machine = Machine(2)
    changes = []
    for _ in range(40):
        before = len(machine.used)
        machine.busy = 1 - machine.busy
        machine.run(0.5)
        part = machine.used[before:]
        changes.append(sum(one != other for one, other in itertools.pairwise(part)))
    assert sum(changes[20:]) <= sum(changes[:20])


def test_a_limit_of_our_own_is_taken_at_once_and_given_back_at_once() -> None:
    """Other engines of this gateway begin and end."""
    governor = Governor(8)
    governor.limit(4)
    assert (governor.threads, governor.most, governor.contended) == (4, 4, False)
    governor.limit(20)
    assert (governor.threads, governor.most) == (8, 8)
    governor.limit(0)
    assert governor.threads == 1


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(1, 12), st.booleans()), max_size=60),
    st.integers(1, 16),
    st.booleans(),
)
def test_threads_stay_within_bounds(
    course: list[tuple[int, int, bool]], cores: int, tells_idle: bool
) -> None:
    """Whatever comes: between one and what is allowed, and contention is a share."""
    machine = Machine(cores, tells_idle=tells_idle)
    for busy, most, limited in course:
        machine.busy = busy
        if limited:
            machine.governor.limit(most)
        machine.run(0.3)
        governor = machine.governor
        assert 1 <= governor.threads <= governor.most <= governor.wanted == cores
        assert 0 <= governor.contention <= 1


def test_a_first_try_comes_after_a_second() -> None:
    """Not at once: whoever takes a core usually keeps it for a while."""
    machine = Machine(2)
    machine.busy = 1
    machine.run(0.5)
    assert machine.governor.threads == 1
    machine.used.clear()
    machine.run(FIRST_HOLD_NS / SECOND * 0.4)
    assert set(machine.used) == {1}
