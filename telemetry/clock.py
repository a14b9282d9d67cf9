"""Time: monotonic nanoseconds everywhere, one anchor per process to turn them into wall-clock time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class ClockAnchor:
    """A pair of readings taken together: `wall_ns` since the epoch (UTC) and `monotonic_ns`."""

    wall_ns: int
    monotonic_ns: int

    @classmethod
    def now(cls) -> ClockAnchor:
        """Read both clocks, as close together as Python allows."""
        return cls(time.time_ns(), time.monotonic_ns())

    def wall(self, monotonic_ns: int) -> int:
        """Wall-clock nanoseconds since the epoch at a monotonic reading."""
        return self.wall_ns + (monotonic_ns - self.monotonic_ns)

    def utc(self, monotonic_ns: int) -> datetime:
        """The same as an aware UTC datetime (microseconds)."""
        return datetime.fromtimestamp(self.wall(monotonic_ns) / 1e9, UTC)
