"""Threads are changed between two steps, the pace follows, and the kernel's figures are read rightly."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gateway.engine.schedule.pace import Pace
from gateway.engine.threads.control import ThreadControl
from gateway.engine.threads.core_time import KernelClock, ProcessClock, core_clock
from gateway.engine.threads.governor import CoreWindow
from telemetry.events import ThreadSample

STEP_NS = 100_000_000


class _Clock:
    """Says what it was told to."""

    def __init__(self) -> None:
        self.waited = 0.0
        self.idle: float | None = 0.0

    def window(self, threads: int, computed_ns: int) -> CoreWindow:
        waited = int(computed_ns * self.waited)
        return CoreWindow(computed_ns, (computed_ns - waited) * threads, waited * threads, self.idle)


class _Rig:
    def __init__(self, decode: int = 4, batch: int = 4, *, adaptive: bool = True) -> None:
        self.clock = _Clock()
        self.applied: list[tuple[int, int]] = []
        self.pace = Pace(1e6, 250_000_000, 512, decode_step_ns=10e6)
        use = lambda *threads: self.applied.append(threads)  # noqa: E731
        self.control = ThreadControl(
            decode, batch, use, pace=self.pace, adaptive=adaptive, clock=lambda: self.clock
        )
        self.now_ns = 0
        self.steps(1)

    def steps(self, count: int, *, prompts: bool = True) -> None:
        for _ in range(count):
            self.control.begin(prompts=prompts)
            self.now_ns += STEP_NS
            self.control.stepped(STEP_NS, self.now_ns)


def test_contention_takes_threads_of_what_is_computed() -> None:
    """Prompts and answers are judged apart: each by windows of its own."""
    rig = _Rig()
    rig.steps(3)
    assert rig.applied == []
    rig.clock.waited = 0.25
    rig.steps(1)
    assert rig.applied == [(3, 3)], "what makes prompts give threads up makes answers do so the more"
    assert rig.control.sample() == ThreadSample(now=3, usual=4, allowed=4, contention=0.25)
    rig.clock.waited = 0.5
    rig.steps(1, prompts=False)
    assert rig.applied[-1] == (1, 3)


def test_what_is_rare_follows_what_is_not() -> None:
    """Prompts that are computed now and then have all threads again once answers have: nothing stays
    behind.
    """
    rig = _Rig(2, 2)
    rig.clock.waited = 0.5
    rig.steps(1)
    assert rig.applied[-1] == (1, 1)
    rig.clock.waited, rig.clock.idle = 0.0, 1.0
    rig.steps(10, prompts=False)
    assert rig.applied[-1] == (2, 2)


def test_answers_give_a_thread_up_before_prompts_do() -> None:
    """Two threads that lose half a core: prompts are still faster with both, answers are not."""
    rig = _Rig(2, 2)
    rig.clock.waited = 0.25
    rig.steps(5)
    rig.steps(2, prompts=False)
    assert rig.applied == [(1, 2)]


def test_the_pace_knows_at_once() -> None:
    """A prompt token takes longer with fewer threads, and as long as before with all of them again."""
    rig = _Rig()
    rig.steps(1)
    rig.clock.waited = 0.5
    rig.steps(1)
    assert rig.control.batch.threads == 2
    assert rig.pace.contended
    for _ in range(20):
        rig.pace.learn(200_000_000, prefill_tokens=100, decode_tokens=0)
    assert rig.pace.prefill_token_ns == pytest.approx(2e6, rel=0.02)
    rig.clock.waited, rig.clock.idle = 0.0, 2.5
    rig.steps(15)
    assert rig.control.batch.threads == 4
    assert rig.pace.prefill_token_ns == pytest.approx(1e6)
    assert not rig.pace.contended


def test_the_pace_of_answers_knows_too() -> None:
    """The same for steps without prompts, by sequences in them."""
    rig = _Rig()
    for _ in range(5):
        rig.pace.learn(10_000_000, prefill_tokens=0, decode_tokens=3)
    rig.steps(3, prompts=False)
    rig.clock.waited = 0.5
    rig.steps(1, prompts=False)
    for _ in range(20):
        rig.pace.learn(30_000_000, prefill_tokens=0, decode_tokens=3)
    assert rig.pace.decode_step_ns == pytest.approx(30e6, rel=0.02)
    rig.clock.waited, rig.clock.idle = 0.0, 2.5
    rig.steps(15, prompts=False)
    assert rig.pace.expect(3)
    assert rig.pace.decode_step_ns == pytest.approx(10e6)


def test_what_others_cost_is_the_time_beyond_the_calm_speed() -> None:
    """Only while others take cores; else a slow step is nobody's doing."""
    rig = _Rig()
    rig.steps(2)
    assert rig.pace.lost_ns(300_000_000, prefill_tokens=100, decode_tokens=0) == 0
    rig.clock.waited = 0.5
    rig.steps(1)
    assert rig.pace.lost_ns(300_000_000, prefill_tokens=100, decode_tokens=0) == 200_000_000
    assert rig.pace.lost_ns(25_000_000, prefill_tokens=0, decode_tokens=2) == 15_000_000
    assert rig.pace.lost_ns(1, prefill_tokens=100, decode_tokens=2) == 0


def test_parts_of_several_engines_cover_all_cores() -> None:
    """Whatever their number: no core is given twice while there are enough, and each engine has one."""
    for parts in range(1, 6):
        rigs = [_Rig(adaptive=False) for _ in range(parts)]
        for part, rig in enumerate(rigs):
            rig.control.share(part, parts)
            rig.steps(1)
        given = [rig.control.batch.threads for rig in rigs]
        assert min(given) >= 1
        assert sum(given) == max(4, parts)
    rig.control.share(0, 1)
    rig.steps(1)
    assert (rig.control.decode.threads, rig.control.batch.threads) == (4, 4)


def test_not_adaptive_is_left_alone() -> None:
    """Only measured when asked for."""
    rig = _Rig(adaptive=False)
    rig.clock.waited = 0.9
    rig.steps(10)
    assert rig.applied == []
    assert rig.control.sample().contention is None


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the kernel's figures are Linux's")
def test_the_kernel_tells_of_waiting() -> None:
    """For real: this thread beside two busy processes on one CPU waits for about two thirds of the time;
    Python's other threads do not count.
    """
    program = (
        "import os, subprocess, sys, time\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nothers ="
        " [subprocess.Popen([sys.executable, '-c', 'import time; end = time.monotonic() + 2\\nwhile"
        " time.monotonic() < end: pass']) for _ in range(2)]\nfrom gateway.engine.threads.core_time import"
        " core_clock\ntime.sleep(0.5)\nclock = core_clock()\nend = time.monotonic() + 0.8\nwhile"
        " time.monotonic() < end: pass\nprint(clock.window(1, 800_000_000).contention)\n[other.wait() for"
        " other in others]\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 0.4 < float(done.stdout) < 0.9


def test_both_clocks_measure_this_thread() -> None:
    """The kernel's where there is one, else processor time against wall time."""
    assert isinstance(core_clock(), KernelClock if Path("/proc/self/schedstat").exists() else ProcessClock)
    clock = ProcessClock()
    start_ns = time.monotonic_ns()
    time.sleep(0.2)
    slept = clock.window(1, time.monotonic_ns() - start_ns)
    assert slept.contention > 0.5, "a thread that did not run was not on a core"
    if isinstance(kernel := core_clock(), KernelClock):
        done = threading.Event()
        other = threading.Thread(target=done.wait)
        other.start()
        assert str(other.native_id) not in kernel._read(), "a thread of Python's does not compute"
        done.set()
        other.join()
