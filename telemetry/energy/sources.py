"""Sources of joules on this machine: RAPL for CPU packages,
NVML for NVIDIA GPUs; and why there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from telemetry.energy import nvml, rapl

RAPL, NVML = "rapl", "nvml"


class Counter(Protocol):
    """One counter of energy."""

    @property
    def name(self) -> str:
        """The thing that it counts, for people: `RAPL package-0`."""

    def total_j(self) -> float:
        """Joules since the counter was opened; never falls.

        Raises:
            Exception: it cannot be read now; what it counts meanwhile is in the next reading.
        """


@dataclass(frozen=True, slots=True)
class Report:
    """The sources that energy is read from, and for each that is not, why; for people."""

    sources: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """One sentence for both."""
        missing = "; ".join(self.missing)
        if self.sources:
            return f"from {', '.join(self.sources)}{f' ({missing})' if missing else ''}"
        return f"no readable source: {missing}"


LOOKING = Report(missing=("sources are being looked for",))
OFF = Report(missing=("telemetry.energy_sources is empty",))
NO_TELEMETRY = Report(missing=("telemetry.enabled is off",))

Found = tuple[Sequence[Counter], list[str]]


def find(names: Collection[str], rapl_path: Path) -> tuple[list[Counter], Report]:
    """Open every counter of the named sources (`rapl`, `nvml`).
    Never raises: what is missing is in the report.
    """
    if not names:
        return [], OFF
    openers: Mapping[str, Callable[[], Found]] = {
        RAPL: lambda: rapl.open_domains(rapl_path),
        NVML: nvml.open_devices,
    }
    counters: list[Counter] = []
    missing: list[str] = []
    for name in names:
        try:
            opened, reasons = openers[name]()
        except Exception as error:
            opened, reasons = [], [f"{name}: {error}"]
        counters += opened
        missing += reasons
    return counters, Report(tuple(counter.name for counter in counters), tuple(missing))
