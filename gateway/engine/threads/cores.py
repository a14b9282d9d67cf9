"""The cores that this process may use, and what limits them: the machine, the affinity mask, or a cgroup's
quota.

Source: Linux, Documentation/admin-guide/cgroup-v2.rst (`cpu.max`) and scheduler/sched-bwc.rst
(`cpu.cfs_quota_us`). On systems without these, what psutil knows of the machine is all there is.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class Cores:
    """How many threads can compute at once, and in words which limit decided."""

    count: int
    limit: str


def usable_cores(root: Path = Path("/"), affinity: Iterable[int] | None = None) -> Cores:
    """The smallest of the limits. Two hardware threads of a core count once: the second adds little to
    llama.cpp.

    A quota counts in whole cores, rounded down (1 at least): a thread more would use it up before its period
    ends, and then all of them stand still. `root` and `affinity` are there for tests.
    """
    total = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    allowed = sorted(_affinity() if affinity is None else affinity)
    found = [Cores(total, f"{_cores(total)} of the machine")]
    if allowed:
        mine = _physical(root, allowed)
        found.append(Cores(mine, f"the affinity mask (CPU {_ranges(allowed)})"))
    quota = min(_quotas(root), default=None)
    if quota is not None:
        found.append(
            Cores(max(1, math.floor(quota)), f"a cgroup quota of {quota:g} CPU{'' if quota == 1 else 's'}")
        )
    return min(found, key=lambda cores: cores.count)


def _affinity() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _physical(root: Path, cpus: list[int]) -> int:
    """Cores among these CPUs: those that name the same siblings are one."""
    siblings = {
        _read(root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") or str(cpu)
        for cpu in cpus
    }
    return len(siblings)


def _quotas(root: Path) -> Iterator[float]:
    """CPUs that each cgroup above this process grants, of both versions; a group without a limit says
    nothing.
    """
    mounts = list(_mounts(root))
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for mount in mounts:
            if mount.controllers == (set(controllers.split(",")) & {"cpu"}):
                yield from filter(None, (_quota(folder) for folder in mount.folders(path)))


@dataclass(frozen=True, slots=True)
class _Mount:
    """A mounted cgroup hierarchy: `controllers` is {"cpu"} for version 1 and empty for version 2, which has
    one for all; `top` is the group that stands at `folder`.
    """

    controllers: set[str]
    top: str
    folder: Path

    def folders(self, path: str) -> Iterator[Path]:
        """The folders of a group and of those above it, as far as they can be seen from here."""
        inner = path.removeprefix(self.top) if self.top != "/" else path
        group = self.folder / inner.strip("/")
        yield group
        while group != self.folder:
            group = group.parent
            yield group


def _mounts(root: Path) -> Iterator[_Mount]:
    for line in _read(root / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        folder = root / fields[4].lstrip("/")
        if kind[0] == "cgroup2":
            yield _Mount(set(), fields[3], folder)
        elif kind[0] == "cgroup" and "cpu" in kind[2].split(","):
            yield _Mount({"cpu"}, fields[3], folder)


def _quota(group: Path) -> float | None:
    """CPUs that one group grants; None without a limit."""
    quota, _, period = _read(group / "cpu.max").partition(" ")
    if not quota:
        quota, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
    try:
        granted = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max", or there is no such file
        return None
    return granted if granted > 0 else None


def _read(file: Path) -> str:
    """A small file's text; nothing where it cannot be read."""
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _cores(count: int) -> str:
    return f"{count} core{'' if count == 1 else 's'}"


def _ranges(cpus: list[int]) -> str:
    """As `taskset` writes them: 0-3,8."""
    starts = [cpu for cpu in cpus if cpu - 1 not in cpus]
    ends = [cpu for cpu in cpus if cpu + 1 not in cpus]
    return ",".join(
        str(start) if start == end else f"{start}-{end}" for start, end in zip(starts, ends, strict=True)
    )
