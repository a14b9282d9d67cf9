"""The service-level objectives and alert thresholds: the one place to change them, then `make grafana`.

Burn rates and windows are those of the SRE workbook, chapter 5 ("Alerting on SLOs"): 14.4 for an hour spends
2 % of a 30-day budget, 6 for six hours spends 5 %, 1 for three days spends 10 %.
"""

from __future__ import annotations

from dataclasses import dataclass

AVAILABILITY = 0.99
"""Share of requests that the gateway answers, of those that were not the client's mistake or cancelled by
it.
"""

TTFT_SHARE = 0.95
"""Share of first tokens that come within `TTFT_S`."""

TTFT_S = 2.5
"""Seconds. It is a bucket boundary, and no whole number: a scrape writes `le="1.0"` where OTLP may write
`le="1"`.
"""


@dataclass(frozen=True, slots=True)
class Burn:
    """An error budget spent `factor` times too fast, over a long window and still over the short one.

    `floor` is how many requests the long window must hold: below it a share says little (two failures in ten
    are 20 %).
    """

    name: str
    factor: float
    long_window: str
    short_window: str
    severity: str
    floor: int


FAST = Burn("Fast", 14.4, "1h", "5m", "critical", 20)
SLOW = Burn("Slow", 6.0, "6h", "30m", "warning", 50)
TICKET = Burn("Ticket", 1.0, "3d", "6h", "ticket", 200)
BURNS = (FAST, SLOW, TICKET)

WINDOWS = ("5m", "30m", "1h", "6h", "3d")
"""Every window of a burn rate: the recording rules have them all."""

QUEUE_AGE_S = 30
KV_SHARE = 0.95
STORE_SHARE = 0.95
"""Of `store.max_bytes`."""
FREE_DISK_SHARE = 0.05
LOOP_LAG_S = 0.1
"""99th percentile; a bucket boundary of `firsttoken.event_loop.lag`, whose last one is 0.25 s."""

SERVICE = "firsttoken"
"""The label `service` of every rule, to route by."""

RUNBOOK = "docs/runbook.md"
"""Where the runbook is: a path of this repository. Put the address before it where people read alerts
elsewhere.
"""
