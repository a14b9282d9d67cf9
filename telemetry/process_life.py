"""The life of a process: this one's identity, and whether
another one is over, by what no later process can have.
"""

from __future__ import annotations

import contextlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

_PROC = Path("/proc")
_STARTED = 19
"""Field of `/proc/PID/stat` after the command's closing bracket: ticks from the machine's boot to the start
of the process (proc(5)).
"""


@dataclass(frozen=True, slots=True)
class ProcessLife:
    """A process: the `host` where its id means something (name, boot and, in a container, name space), its
    id, and when it was `born` (a number that only compares with itself).
    """

    host: str
    pid: int
    born: int

    @classmethod
    def own(cls) -> ProcessLife:
        """The process that asks."""
        return cls(_host(), os.getpid(), _born(os.getpid()) or 0)

    def is_over(self) -> bool:
        """True where it has surely ended; of a process on another host nothing is sure."""
        return self.host == _host() and _born(self.pid) != self.born


def _host() -> str:
    boot, space = "", ""
    with contextlib.suppress(OSError):
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    with contextlib.suppress(OSError):
        space = os.readlink(_PROC / "self/ns/pid")  # noqa: PTH115 - no path, a name
    return f"{socket.gethostname()[:100]} {boot} {space}".strip()[:200]


def _born(pid: int) -> int | None:
    """None where there is no such process (or only what is left of one)."""
    try:
        state, *fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return None if state == "Z" else int(fields[_STARTED - 1])
    except (OSError, ValueError, IndexError):
        pass
    if _PROC.joinpath("self").exists():
        return None
    with contextlib.suppress(psutil.Error):
        return round(psutil.Process(pid).create_time())
    return None
