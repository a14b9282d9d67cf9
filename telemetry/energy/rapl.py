"""RAPL: the energy counters of CPU packages, as Linux shows them under `/sys/class/powercap`.

Source: https://www.kernel.org/doc/html/latest/power/powercap/powercap.html. `energy_uj` counts microjoules
and begins again at 0 after `max_energy_range_uj`. Only package domains are read: those below them (core,
uncore) are parts of a package, and `psys` is the whole platform, which would count packages twice. DRAM
outside the package is not counted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

DEFAULT_PATH = "/sys/class/powercap"

_DOMAIN = re.compile(r"intel-rapl:\d+")
"""Top-level domains, on AMD too. `intel-rapl-mmio:0` is the
same package once more, `intel-rapl:0:0` a part of it.
"""


class Domain:
    """One package's counter."""

    def __init__(self, folder: Path) -> None:
        self.name = f"RAPL {_text(folder / 'name')}"
        self._file = folder / "energy_uj"
        self._range_uj = int(_text(folder / "max_energy_range_uj"))
        self._last_uj = int(_text(self._file))
        self._total_uj = 0

    def total_j(self) -> float:
        now_uj = int(_text(self._file))
        self._total_uj += spent_uj(self._last_uj, now_uj, self._range_uj)
        self._last_uj = now_uj
        return self._total_uj / 1e6


def spent_uj(before_uj: int, now_uj: int, range_uj: int) -> int:
    """Microjoules between two readings, of which the second may come after the counter began again (once)."""
    return now_uj - before_uj if now_uj >= before_uj else range_uj - before_uj + now_uj


def open_domains(path: Path) -> tuple[Sequence[Domain], list[str]]:
    """Every readable package, and why others are not."""
    try:
        folders = sorted(folder for folder in path.iterdir() if _DOMAIN.fullmatch(folder.name))
        packages = [folder for folder in folders if _text(folder / "name").startswith("package")]
    except OSError as error:
        return [], [f"RAPL: {path} cannot be read ({error.strerror})"]
    if not packages:
        return [], [f"RAPL: {path} has no package (intel-rapl:N)"]
    domains: list[Domain] = []
    missing: list[str] = []
    for folder in packages:
        try:
            domains.append(Domain(folder))
        except PermissionError:
            missing.append(
                f"RAPL: only root may read {folder / 'energy_uj'}; `sudo chmod a+r` it, after each boot"
            )
        except (OSError, ValueError) as error:
            missing.append(f"RAPL: {folder} cannot be read ({error})")
    return domains, missing


def _text(file: Path) -> str:
    return file.read_text(encoding="ascii").strip()
