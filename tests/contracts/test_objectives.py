"""What stands twice, because layers keep its two places apart: burn rates in the gateway and in the alert
rules.
"""

from __future__ import annotations

import pytest

from gateway.settings.sections import SloSettings
from grafana.sources.objectives import AVAILABILITY, FAST, SLOW, TTFT_S, TTFT_SHARE, Burn
from telemetry.slo import BURN_RULES, State

MINUTES = {"m": 1, "h": 60}


def _minutes(window: str) -> int:
    return int(window[:-1]) * MINUTES[window[-1]]


@pytest.mark.parametrize(("state", "burn"), [(State.FAST_BURN, FAST), (State.SLOW_BURN, SLOW)])
def test_gateway_and_alerts_burn_alike(state: State, burn: Burn) -> None:
    """The state that the dashboard shows and the alert that fires have one factor and the same two
    windows.
    """
    (rule,) = (rule for rule in BURN_RULES if rule.state is state)
    assert rule.factor == burn.factor
    assert (rule.long_minutes, rule.short_minutes) == (
        _minutes(burn.long_window),
        _minutes(burn.short_window),
    )


def test_objectives_are_the_same_by_default() -> None:
    """Who changes no setting sees one set of objectives, on the dashboard and in the alerts."""
    slo = SloSettings()
    assert (slo.availability, slo.ttft_share, slo.ttft_ms) == (AVAILABILITY, TTFT_SHARE, TTFT_S * 1e3)
