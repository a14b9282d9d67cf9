"""The energy meter: a thread that reads the counters and gives
each interval's joules to the requests active in it.

The event loop pays for a dictionary entry per request. A counter that fails
is read again at the next turn; one that hangs costs requests their figure,
never an answer. Whatever else runs on the machine is in its counters, too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from telemetry.energy.attribution import Activity, activity, split
from telemetry.energy.sources import LOOKING, Counter, Report
from telemetry.logs.events import event
from telemetry.record import RequestRecord
from telemetry.recorder import NullSink

log = logging.getLogger(__name__)

EVERY_S = 0.25
"""Between two readings; power is taken as constant in between."""

MAX_GAP_S = 10.0
"""Readings further apart measure nothing: power was not
constant, and a counter may have begun again twice.
"""

MAX_POWER_W = 50_000.0
"""More is no energy but a counter that was set back (which reads like one that began again)."""

PATIENCE_S = 0.5
"""Longest wait for the reading that ends a request's last interval."""

MAX_RECORDS = 20_000
"""Requests followed at once; more only come together when readings fail for long."""

Find = Callable[[], tuple[Sequence[Counter], Report]]


class EnergyMeter(NullSink):
    """Sets `energy_j` of every record, at the first reading after its end. `start` it once, `stop` it once.

    `report` says what is read; without a source nothing is, and every figure stays "not measured".
    """

    def __init__(
        self, find: Find, clock_ns: Callable[[], int] = time.monotonic_ns, every_s: float = EVERY_S
    ) -> None:
        self.report = LOOKING
        self._find = find
        self._clock_ns = clock_ns
        self._every_s = every_s
        self._counters: Sequence[Counter] = ()
        self._records: dict[int, RequestRecord] = {}
        self._joules: dict[int, float | None] = {}
        self._totals = {"active": 0.0, "idle": 0.0}
        self._read_ns: int | None = None
        self._read_j = 0.0
        self._failure = ""
        self._over = False
        self._wake = threading.Event()
        self._read_done = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="energy-meter", daemon=True)

    # On the gateway's event loop ----------------------------------------------------------------------------
    def admitted(self, record: RequestRecord) -> None:
        if not self._over:
            self._records[record.seq] = record

    def completed(self, record: RequestRecord) -> None:
        if not self._over:
            self._records[record.seq] = record
            if len(self._records) > MAX_RECORDS:
                del self._records[record.seq]

    def start(self) -> None:
        """Look for sources and begin to read, on a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End it; what was not given out yet is not measured."""
        self._over = True
        self._wake.set()

    # On any thread ------------------------------------------------------------------------------------------
    def totals(self) -> Mapping[str, float]:
        """Joules since the start, `active` and `idle`; empty without a source."""
        return dict(self._totals) if self._counters else {}

    def wait_until(self, until_ns: int) -> None:
        """Wait until the energy up to a monotonic time is given
        out; not long, and not at all while readings fail.
        """
        if (
            self._read_ns is None
            or self._over
            or self._failure
            or self._clock_ns() - self._read_ns > MAX_GAP_S * 1e9
        ):
            return
        self._wake.set()
        with self._read_done:
            self._read_done.wait_for(lambda: self._over or (self._read_ns or 0) >= until_ns, PATIENCE_S)

    # On the meter's thread ----------------------------------------------------------------------------------
    def _run(self) -> None:
        self.open()
        while not self._over:
            self.read()
            self._wake.wait(self._every_s)
            self._wake.clear()

    def open(self) -> None:
        """Look for sources; without one the meter is over."""
        self._counters, self.report = self._find()
        if not self._counters:
            self._over = True
            self._records.clear()

    def read(self) -> None:
        """Read every counter, and give out what was used since they were last read."""
        try:
            total_j = sum(counter.total_j() for counter in self._counters)
        except Exception as error:
            # a driver may raise anything; what it counts meanwhile is in the next reading
            self._fail(f"{type(error).__name__}: {error}")
            return
        now_ns, self._failure = self._clock_ns(), ""
        records = list(self._records.values())
        self._give_out(
            total_j, now_ns, [found for record in records if (found := activity(record)) is not None]
        )
        for record in records:
            self._finish(record, now_ns)
        with self._read_done:
            self._read_ns, self._read_j = now_ns, total_j
            self._read_done.notify_all()

    def _give_out(self, total_j: float, now_ns: int, activities: Sequence[Activity]) -> None:
        """An interval that measures nothing takes the figure from the requests that were active in it."""
        since_ns = self._read_ns
        if since_ns is None or not _plausible(total_j - self._read_j, (now_ns - since_ns) / 1e9):
            for one in activities:
                if since_ns is None or one.end_ns is None or one.end_ns > since_ns:
                    self._joules[one.seq] = None
            return
        shared = split(total_j - self._read_j, since_ns, now_ns, activities)
        for seq, joules in shared.shares.items():
            before = self._joules.get(seq, 0.0)
            self._joules[seq] = None if before is None else before + joules
        self._totals["active"] += sum(shared.shares.values())
        self._totals["idle"] += shared.idle_j

    def _finish(self, record: RequestRecord, now_ns: int) -> None:
        """A request that ended before this reading has all of its energy."""
        if record.ended_ns is not None and record.ended_ns <= now_ns:
            record.energy_j = self._joules.pop(record.seq, 0.0)
            self._records.pop(record.seq, None)

    def _fail(self, failure: str) -> None:
        """Say it once per kind of failure, not once per reading."""
        if failure != self._failure:
            log.warning("energy cannot be read now: %s", failure, extra=event("energy.unreadable"))
        self._failure = failure


def _plausible(joules: float, seconds: float) -> bool:
    return 0 < seconds <= MAX_GAP_S and 0 <= joules <= MAX_POWER_W * seconds
