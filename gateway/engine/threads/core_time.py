"""What the kernel says of this process's threads: time on a core, and time ready to run without one.

Source: Linux, Documentation/scheduler/sched-stats.rst (`/proc/<pid>/schedstat`: time on the CPU and time
waiting on a run queue, ns) and proc_stat(5) for idle cores. Elsewhere: processor time against wall time,
which also counts threads that sleep at a barrier as waiting.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Protocol

from gateway.engine.threads.governor import CoreWindow

TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
IDLE, IOWAIT = 4, 5
"""Columns of the first line of /proc/stat."""


class CoreClock(Protocol):
    """Measures one window after the other."""

    def window(self, threads: int, computed_ns: int) -> CoreWindow:
        """Since the last call; `threads` computed for `computed_ns` of it."""


def core_clock() -> CoreClock:
    """The best that this system has."""
    tasks = Path("/proc/self/task")
    return (
        KernelClock(tasks)
        if (tasks / str(threading.get_native_id()) / "schedstat").exists()
        else ProcessClock()
    )


class KernelClock:
    """Reads the calling thread and every thread that Python did not start: those are OpenMP's."""

    def __init__(self, tasks: Path, machine: Path = Path("/proc/stat")) -> None:
        self._tasks = tasks
        self._machine = machine
        self._threads = self._read()
        self._idle = self._read_idle()

    def window(self, threads: int, computed_ns: int) -> CoreWindow:  # noqa: ARG002 - the kernel knows
        before, self._threads = self._threads, self._read()
        spent = [
            (ran - before[task][0], waited - before[task][1])
            for task, (ran, waited) in self._threads.items()
            if task in before
        ]
        return CoreWindow(
            computed_ns, sum(ran for ran, _ in spent), sum(waited for _, waited in spent), self._idle_cores()
        )

    def _read(self) -> dict[str, tuple[int, int]]:
        """Thread → ns on a core, ns waiting for one."""
        ours = {str(thread.native_id) for thread in threading.enumerate()} - {str(threading.get_native_id())}
        found = {}
        for task in self._tasks.iterdir():
            if task.name not in ours:
                try:
                    ran, waited, _ = (task / "schedstat").read_text(encoding="ascii").split()
                except OSError:  # it has ended meanwhile
                    continue
                found[task.name] = int(ran), int(waited)
        return found

    def _idle_cores(self) -> float | None:
        """Cores of the machine that had nothing to do since the last call; ticks are coarse, so not for
        short times.
        """
        now = self._read_idle()
        if now is None or self._idle is None or now[0] - self._idle[0] < 50_000_000:
            return None
        wall_s, idle_s = (now[0] - self._idle[0]) / 1e9, (now[1] - self._idle[1]) / TICKS_PER_S
        self._idle = now
        return idle_s / wall_s

    def _read_idle(self) -> tuple[int, int] | None:
        """Now (monotonic ns), and ticks that all cores have been idle."""
        try:
            with self._machine.open(encoding="ascii") as file:
                columns = file.readline().split()
        except OSError:
            return None
        return time.monotonic_ns(), int(columns[IDLE]) + int(columns[IOWAIT])


class ProcessClock:
    """Processor time of the process: of all threads together."""

    def __init__(self) -> None:
        self._ran_ns = time.process_time_ns()

    def window(self, threads: int, computed_ns: int) -> CoreWindow:
        before, self._ran_ns = self._ran_ns, time.process_time_ns()
        ran = self._ran_ns - before
        waited = max(0, threads * computed_ns - ran)
        return CoreWindow(computed_ns, ran, waited)
