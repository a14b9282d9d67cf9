"""What Python writes to standard error by itself is JSON, too."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import warnings

from telemetry.logs import output as lines
from telemetry.logs import stray_lines

PROGRAM = """
import asyncio, gc, logging, threading, warnings
from telemetry.logs import output as lines
from telemetry.logs import stray_lines

class Odd:
    def __del__(self):
        raise ValueError("in a destructor")

async def lose():
    async def fail():
        raise ValueError("in a lost task")
    asyncio.ensure_future(fail())
    await asyncio.sleep(0)

def stray(when):
    warnings.warn(f"{when} a warning\\nof two lines", stacklevel=1)
    thread = threading.Thread(target=lambda: 1 / 0, name=f"{when} thread")
    thread.start()
    thread.join()
    Odd()
    asyncio.run(lose())
    gc.collect()
    logging.getLogger("late").error("%s a line", when)

warnings.simplefilter("always")
with stray_lines.in_json():
    stray("before")
    output = lines.configure("info")
    stray("meanwhile")
    output.stop()
    stray("after")
"""


def test_everything_is_json() -> None:
    """Warnings, exceptions in threads, destructors and lost tasks, and lines of loggers: before, while and
    after there is a log.
    """
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False
    )
    said = [json.loads(line) for line in done.stderr.splitlines()]
    for when in ("before", "meanwhile", "after"):
        events = [line for line in said if when in json.dumps(line)]
        assert [line["level"] for line in events if "a warning" in line["event"]] == ["warning"]
        assert ["ZeroDivisionError" in line["exception"] for line in events if "thread" in line["event"]] == [
            True
        ]
        assert [line["logger"] for line in events if "a line" in line["event"]] == ["late"]
    assert sum("in a destructor" in line.get("exception", "") for line in said) == 3
    assert sum("in a lost task" in line.get("exception", "") for line in said) == 3


def test_an_exception_at_the_end() -> None:
    """What ends the program is a line with its traceback; Ctrl-C is none."""
    program = (
        "import sys\nfrom telemetry.logs import stray_lines\nheld ="
        " stray_lines.in_json()\nheld.__enter__()\nraise {}"
    )
    ends = [
        subprocess.run(
            [sys.executable, "-c", program.format(end)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        for end in ("OSError('x')", "KeyboardInterrupt")
    ]
    (line,) = ends[0].stderr.splitlines()
    assert (json.loads(line)["event"], "OSError: x" in json.loads(line)["exception"]) == (
        stray_lines.UNCAUGHT,
        True,
    )
    assert ends[1].stderr == ""


def test_what_was_there_comes_back() -> None:
    """Hooks are as they were."""
    before = (
        sys.excepthook,
        threading.excepthook,
        sys.unraisablehook,
        warnings.showwarning,
        logging.lastResort,
    )
    with stray_lines.in_json():
        assert logging.lastResort is not before[-1]
        assert isinstance(getattr(logging.lastResort, "formatter", None), lines.JsonFormatter)
    assert (
        sys.excepthook,
        threading.excepthook,
        sys.unraisablehook,
        warnings.showwarning,
        logging.lastResort,
    ) == before
