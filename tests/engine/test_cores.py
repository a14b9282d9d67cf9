"""Which limit decides how many threads there are: on made-up file systems, and on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from gateway.engine.threads.cores import Cores, usable_cores

V2 = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
V1 = (
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n32 31 0:29 {top} /sys/fs/cgroup/cpu,cpuacct rw - cgroup"
    " cgroup rw,cpu,cpuacct\n"
)


def tree(root: Path, mountinfo: str, cgroup: str, files: dict[str, str]) -> Path:
    """A file system with these cgroups."""
    for name, text in {"proc/self/mountinfo": mountinfo, "proc/self/cgroup": cgroup, **files}.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with 32 cores."""
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 64 if logical else 32)


def siblings(root: Path, *pairs: tuple[int, int]) -> None:
    for pair in pairs:
        for cpu in pair:
            file = root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(",".join(map(str, pair)))


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("400000 100000", Cores(4, "a cgroup quota of 4 CPUs")),
        ("150000 100000", Cores(1, "a cgroup quota of 1.5 CPUs")),
        ("50000 100000", Cores(1, "a cgroup quota of 0.5 CPUs")),
        ("100000 100000", Cores(1, "a cgroup quota of 1 CPU")),
        ("max 100000", Cores(32, "32 cores of the machine")),
        ("", Cores(32, "32 cores of the machine")),
    ],
)
def test_a_quota_of_version_2(tmp_path: Path, quota: str, expected: Cores) -> None:
    """Whole cores of it count, one at least; no quota is no limit."""
    root = tree(tmp_path, V2, "0::/app\n", {"sys/fs/cgroup/app/cpu.max": quota})
    assert usable_cores(root, affinity=()) == expected


@pytest.mark.usefixtures("machine")
def test_the_group_above_limits_too(tmp_path: Path) -> None:
    """A container's own group has no limit, the one around it has."""
    files = {"sys/fs/cgroup/pod/cpu.max": "300000 100000", "sys/fs/cgroup/pod/app/cpu.max": "max 100000"}
    assert usable_cores(tree(tmp_path, V2, "0::/pod/app\n", files), affinity=()).count == 3


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("top", "path"), [("/", "/docker/ab"), ("/docker", "/docker/ab"), ("/docker/ab", "/docker/ab")]
)
def test_a_quota_of_version_1(tmp_path: Path, top: str, path: str) -> None:
    """Wherever the container's part of the hierarchy is mounted."""
    folder = "sys/fs/cgroup/cpu,cpuacct/" + path.removeprefix(top if top != "/" else "").strip("/")
    files = {f"{folder}/cpu.cfs_quota_us": "200000", f"{folder}/cpu.cfs_period_us": "100000"}
    root = tree(tmp_path, V1.format(top=top), f"5:cpu,cpuacct:{path}\n4:memory:/x\n", files)
    assert usable_cores(root, affinity=()) == Cores(2, "a cgroup quota of 2 CPUs")


@pytest.mark.usefixtures("machine")
def test_an_unlimited_group_of_version_1(tmp_path: Path) -> None:
    """-1 is no limit."""
    files = {
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
    }
    assert (
        usable_cores(tree(tmp_path, V1.format(top="/"), "5:cpu,cpuacct:/\n", files), affinity=()).count == 32
    )


@pytest.mark.usefixtures("machine")
def test_affinity_counts_cores_not_hardware_threads(tmp_path: Path) -> None:
    """CPUs 0 and 32 are one core."""
    siblings(tmp_path, (0, 32), (1, 33))
    assert usable_cores(tmp_path, affinity=[0, 1, 32, 33]) == Cores(2, "the affinity mask (CPU 0-1,32-33)")
    assert usable_cores(tmp_path, affinity=[5]).count == 1


@pytest.mark.usefixtures("machine")
def test_a_system_without_any_of_this(tmp_path: Path) -> None:
    """Nothing can be read: the machine's cores."""
    assert usable_cores(tmp_path, affinity=()) == Cores(32, "32 cores of the machine")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is Linux's")
def test_a_process_bound_to_one_cpu() -> None:
    """For real: `taskset` is obeyed."""
    program = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nfrom"
        " gateway.engine.threads.cores import usable_cores\nprint(usable_cores().count)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
