"""The end of an engine process whose thread failed."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable


def exit_on_failure(target: Callable[[], None]) -> None:
    """A thread of the engine that fails ends the process: the supervisor reports and restarts it."""
    try:
        target()
    except BaseException:
        traceback.print_exc()
        os._exit(70)
