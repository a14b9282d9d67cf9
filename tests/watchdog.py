"""Ends what a test run started and left behind, however the run ended: `python tests/watchdog.py RUN` waits
until its standard input closes, which a `kill -9` of the test run does too, and then kills every process with
the run's mark.

A worker of a run (pytest-xdist) is a run within it: what a worker that crashed has left ends with the worker,
and everything with the run.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time

import psutil

MARK = "TEST_RUN_OF_FIRSTTOKEN"
"""Environment variable that every process of a run inherits; its value names the run."""

GRACE_S = 1.0
"""For what is ending by itself just now."""


def guard() -> subprocess.Popen[bytes]:
    """Mark this process, and start a watchdog that outlives it; closing its standard input ends both."""
    outer = os.environ.get(MARK, "")
    run = os.environ[MARK] = f"{outer}/{os.getpid()}-{time.time_ns()}"
    return subprocess.Popen([sys.executable, __file__, run], stdin=subprocess.PIPE, start_new_session=True)


def left_behind(run: str) -> list[psutil.Process]:
    """Processes with the mark of a run or of one within it, but for this one."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and f"{process.environ().get(MARK)}/".startswith(f"{run}/"):
                found.append(process)
    return found


def main(run: str) -> None:
    """Wait, then end them."""
    sys.stdin.buffer.read()
    psutil.wait_procs(left_behind(run), timeout=GRACE_S)
    for process in left_behind(run):
        with contextlib.suppress(psutil.Error):
            process.kill()


if __name__ == "__main__":
    main(sys.argv[1])
