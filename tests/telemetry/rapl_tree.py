"""A RAPL tree on disk, as Linux shows it, whose counters a test advances."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

RANGE_UJ = 262_143_328_850
"""`max_energy_range_uj` of a real machine."""


class RaplTree:
    """Packages and what lies beside and below them; only the packages' counters are real energy."""

    def __init__(self, path: Path, packages: int = 1, range_uj: int = RANGE_UJ) -> None:
        self.path = path
        self.range_uj = range_uj
        self.used_uj = 0
        for index in range(packages):
            self.domain(f"intel-rapl:{index}", f"package-{index}", 1000)
            self.domain(f"intel-rapl:{index}:0", "core", 7_000_000)
        self.domain("intel-rapl:9", "psys", 9_000_000)
        self.domain("intel-rapl-mmio:0", "package-0", 5_000_000)
        (path / "intel-rapl").mkdir()
        (path / "dtpm").mkdir()

    def domain(self, folder: str, name: str, energy_uj: int) -> Path:
        """Make a domain."""
        made = self.path / folder
        made.mkdir(parents=True)
        (made / "name").write_text(f"{name}\n")
        (made / "max_energy_range_uj").write_text(f"{self.range_uj}\n")
        (made / "energy_uj").write_text(f"{energy_uj}\n")
        return made

    def counter(self, package: int = 0) -> Path:
        """A package's counter."""
        return self.path / f"intel-rapl:{package}" / "energy_uj"

    def use(self, joules: float, package: int = 0) -> None:
        """Count this much more, from 0 again after the range; like the kernel, no reader sees half of a
        figure.
        """
        counter, used_uj = self.counter(package), round(joules * 1e6)
        now_uj = (int(counter.read_text()) + used_uj) % self.range_uj
        self.used_uj += used_uj
        fresh = counter.with_name("fresh")
        fresh.write_text(f"{now_uj}\n")
        fresh.replace(counter)


@contextlib.contextmanager
def burning(tree: RaplTree, watts: float = 40.0) -> Iterator[None]:
    """The tree's first package uses this much until the end of the block."""
    over = threading.Event()

    def burn() -> None:
        last_s = time.monotonic()
        while not over.wait(0.01):
            now_s = time.monotonic()
            tree.use(watts * (now_s - last_s))
            last_s = now_s

    thread = threading.Thread(target=burn)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
