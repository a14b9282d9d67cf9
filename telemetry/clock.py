"""Time: monotonic nanoseconds everywhere, and an anchor to turn
them into wall-clock time, taken anew when the wall clock jumped.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from telemetry.logs.events import event

log = logging.getLogger(__name__)

JUMP_NS = 100_000_000
"""By so much the wall clock may be away from the anchor before that
is a jump. What a clock is slewed by, the monotonic one is too.
"""


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


def asleep_ns() -> int | None:
    """Nanoseconds that the machine has slept since it was booted: the monotonic clock stands still meanwhile,
    CLOCK_BOOTTIME does not (clock_gettime(2)). None where there is no such clock.
    """
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return None if boot is None else time.clock_gettime_ns(boot) - time.monotonic_ns()


class WallClock:
    """The anchor in use. A suspend of the machine and a wall clock that somebody sets make a new one; a
    record keeps the one that it began with, so that its own times add up.
    """

    def __init__(
        self, read: Callable[[], ClockAnchor] = ClockAnchor.now, asleep: Callable[[], int | None] = asleep_ns
    ) -> None:
        self._read = read
        self._asleep = asleep
        self.anchor = read()
        self.jumped_ns: int | None = None
        """Monotonic time at which the last jump was noticed."""
        self._slept_ns = asleep()

    def look(self) -> ClockAnchor:
        """The anchor, a new one if the clocks have moved apart since the last look."""
        now = self._read()
        moved_ns = now.wall_ns - self.anchor.wall(now.monotonic_ns)
        if abs(moved_ns) > JUMP_NS:
            self._jumped(now, moved_ns)
        return self.anchor

    def is_steady(self, seconds: float) -> bool:
        """True where it has not jumped for so long."""
        now_ns = self._read().monotonic_ns
        self.look()
        return self.jumped_ns is None or now_ns - self.jumped_ns >= seconds * 1e9

    def _jumped(self, now: ClockAnchor, moved_ns: int) -> None:
        before, self._slept_ns = self._slept_ns, self._asleep()
        slept_ns = 0 if before is None or self._slept_ns is None else self._slept_ns - before
        why = "the machine slept" if abs(moved_ns - slept_ns) <= JUMP_NS else "the clock was set"
        log.warning(
            "the wall clock moved by %+.1f s (%s): times are told by it from now on",
            moved_ns / 1e9,
            why,
            extra=event("clock.moved"),
        )
        self.anchor, self.jumped_ns = now, now.monotonic_ns
