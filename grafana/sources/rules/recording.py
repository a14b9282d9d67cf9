"""Recording rules: the rates behind both objectives over every window of a burn rate, so that no panel reads
days of samples.

They keep job, instance and model, so that a dashboard's filters still apply to them. Alerts do not need them.
"""

from __future__ import annotations

from dataclasses import dataclass

from grafana.sources import queries as q
from grafana.sources.objectives import WINDOWS

GROUP = "firsttoken-recorded"


@dataclass(frozen=True, slots=True)
class Record:
    """One recorded series."""

    name: str
    expr: str


def _of(window: str) -> tuple[Record, ...]:
    by = q.BY_INSTANCE
    series = {
        "firsttoken_requests_failed": q.rate(q.REQUESTS, by, scope=q.FAILED, window=window),
        "firsttoken_requests_counted": q.rate(q.REQUESTS, by, scope=q.COUNTED, window=window),
        "firsttoken_ttft_late": q.late_rate(window, by, scope=""),
        "firsttoken_ttft": q.count_rate(q.TTFT, by, scope="", window=window),
    }
    return tuple(Record(q.recorded_name(name, window), expr) for name, expr in series.items())


RECORDS: tuple[Record, ...] = tuple(record for window in WINDOWS for record in _of(window))
