"""Alerts on the objectives: an error budget that is spent too fast, in three tiers."""

from __future__ import annotations

from collections.abc import Callable

from grafana.sources import queries as q
from grafana.sources.objectives import AVAILABILITY, BURNS, TTFT_S, TTFT_SHARE, Burn
from grafana.sources.rules.alert import ABOVE, BY_MODEL, JOB, MODEL, PERCENT, Alert

Share = Callable[..., str]


def _value(share: Share, counted: Share, burn: Burn, limit: float) -> str:
    """The share over the long window, where the short one is over the limit as well and there was enough
    traffic.
    """
    long, short = (share(window, BY_MODEL, scope="") for window in (burn.long_window, burn.short_window))
    enough = counted(burn.long_window, BY_MODEL, scope="")
    return f"({long}) and ({short}) > {limit:.6g} and {enough} >= {burn.floor}"


def _text(burn: Burn, budget: str, objective: str) -> str:
    return (
        f"Over {burn.long_window}, and still over {burn.short_window}, {JOB} spends its {budget} more than"
        f" {burn.factor:g} times too fast (objective {objective}; counted from {burn.floor} requests on)."
    )


def _availability(burn: Burn) -> Alert:
    limit = burn.factor * (1 - AVAILABILITY)
    return Alert(
        f"FirsttokenAvailability{burn.name}Burn",
        _value(q.failed_share, q.counted_requests, burn, limit),
        ABOVE,
        limit,
        "2m",
        burn.severity,
        f"{MODEL} fails {PERCENT} of its requests",
        _text(burn, "error budget", f"{AVAILABILITY:.2%}"),
        "firsttoken-overview",
        "Burn rate: availability",
        "availability",
        f"until the share over {burn.long_window} is over the limit: at once where all fail, later where"
        " few do",
    )


def _ttft(burn: Burn) -> Alert:
    limit = burn.factor * (1 - TTFT_SHARE)
    return Alert(
        f"FirsttokenTtft{burn.name}Burn",
        _value(q.late_share, q.first_tokens, burn, limit),
        ABOVE,
        limit,
        "2m",
        burn.severity,
        f"{PERCENT} of the first tokens of {MODEL} come after {TTFT_S:g} s",
        _text(burn, "latency budget", f"{TTFT_SHARE:.0%} within {TTFT_S:g} s"),
        "firsttoken-overview",
        "Burn rate: time to first token",
        "ttft",
        f"until the share over {burn.long_window} is over the limit",
    )


BURN_ALERTS = (*map(_availability, BURNS), *map(_ttft, BURNS))
