"""Other programs on the machine: processes that only use up cores."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST_S = 900
"""They end by themselves after this long, whatever becomes of us."""

PROGRAM = f"import time\nend = time.monotonic() + {LONGEST_S}\nwhile time.monotonic() < end:\n    pass"


@contextmanager
def busy_cores(count: int) -> Iterator[None]:
    """Keep so many cores busy; each in a session of its own, as other programs are: Linux shares cores
    among sessions first (sched(7), autogroup).
    """
    processes = [
        subprocess.Popen([sys.executable, "-c", PROGRAM], start_new_session=True) for _ in range(count)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
