"""What the figures were measured on: without it they mean nothing."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Machine:
    """`load_average` is that of the minute before: near 0 means that nobody else used the machine."""

    date: str
    system: str
    python: str
    processor: str
    cpus: int
    memory_bytes: int
    load_average: float

    def __str__(self) -> str:
        memory = f"{self.memory_bytes / 2**30:.0f} GiB"
        return (
            f"{self.date} · {self.cpus} x {self.processor} · {memory} · {self.system} · Python {self.python} "
            f"· load average before {self.load_average:.2f}"
        )


def describe() -> Machine:
    """Ask the machine that we are on, now."""
    return Machine(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        processor=_processor(),
        cpus=os.cpu_count() or 1,
        memory_bytes=int(psutil.virtual_memory().total),
        load_average=os.getloadavg()[0],
    )


def _processor() -> str:
    """The model name that Linux tells; elsewhere what Python knows."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
