"""Nothing that a test run started outlives it, not even when the run itself is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.e2e.serving import until

RUN = (
    "import subprocess, sys, time\n"
    "from tests import watchdog\n"
    "watchdog.guard()\n"
    "left = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'], start_new_session=True)\n"
    "print(left.pid, flush=True)\n"
    "time.sleep(300)\n"
)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_killed_leaves_nothing(how: signal.Signals) -> None:
    """A server in a session of its own ends with the run that started it."""
    run = subprocess.Popen([sys.executable, "-c", RUN], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(Path.cwd())})
    assert run.stdout is not None
    left = int(run.stdout.readline())
    assert psutil.pid_exists(left)
    run.send_signal(how)
    run.wait()
    run.stdout.close()
    until(lambda: not psutil.pid_exists(left), 10, "the process to be ended")
