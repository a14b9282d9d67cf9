"""Nothing that a test run started outlives it, not even when the run itself is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests import watchdog
from tests.e2e.serving import until

RUN = (
    "import subprocess, sys, time\nfrom tests import watchdog\nwatchdog.guard()\nleft ="
    " subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'],"
    " start_new_session=True)\nprint(left.pid, flush=True)\ntime.sleep(300)\n"
)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_killed_leaves_nothing(how: signal.Signals) -> None:
    """A server in a session of its own ends with the run that started it."""
    run = subprocess.Popen(
        [sys.executable, "-c", RUN],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    assert run.stdout is not None
    left = int(run.stdout.readline())
    assert psutil.Process(left).environ()[watchdog.MARK].startswith(f"{os.environ[watchdog.MARK]}/"), (
        "it would end with this run too"
    )
    run.send_signal(how)
    run.wait()
    run.stdout.close()
    until(lambda: not psutil.pid_exists(left), 10, "the process to be ended")


def test_a_run_within_a_run_ends_with_it() -> None:
    """Killing the outer one (pytest) ends the inner one (a worker) and what that one started."""
    outer = (
        "import os, subprocess, sys\nfrom tests import"
        f" watchdog\nwatchdog.guard()\nsubprocess.run([sys.executable, '-c', {RUN!r}])\n"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", outer],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    assert run.stdout is not None
    left = int(run.stdout.readline())
    inner = psutil.Process(left).ppid()
    assert inner != run.pid
    run.kill()
    run.wait()
    run.stdout.close()
    until(lambda: not psutil.pid_exists(left) and not psutil.pid_exists(inner), 10, "both to be ended")
