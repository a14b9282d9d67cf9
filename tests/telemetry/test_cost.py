"""What a request cost: energy and tokens by their prices, and nothing where something priced was not
measured.
"""

from __future__ import annotations

import pytest

from telemetry.cost import Prices
from telemetry.events import Status
from telemetry.record import RequestRecord
from telemetry.recorder import Ended
from tests.telemetry.records import ManualClock, completed, open_record, recorder


def measured(energy_j: float | None) -> RequestRecord:
    """600 prompt tokens, 100 of them cached, and 4 sampled."""
    record = completed()
    record.energy_j = energy_j
    return record


@pytest.mark.parametrize(
    ("prices", "energy_j", "cost"),
    [
        (Prices(), 3.6e6, None),
        (Prices(per_kwh=0.3), 3.6e6, 0.3),
        (Prices(per_kwh=0.3), 0.0, 0.0),
        (Prices(per_kwh=0.3), None, None),
        (Prices(per_kwh=0.0), None, None),
        (Prices(per_output_token=2.0), None, 8.0),
        (Prices(per_input_token=1.0), None, 600.0),
        (Prices(per_input_token=1.0, per_cached_input_token=0.1), None, 510.0),
        (Prices(per_cached_input_token=0.1), None, 10.0),
        (Prices(0.3, 1.0, 2.0, 0.1), 1.8e6, 518.15),
        (Prices(0.3, 1.0, 2.0, 0.1), None, None),
    ],
)
def test_cost(prices: Prices, energy_j: float | None, cost: float | None) -> None:
    """The sum of its parts; without all that has a price there is no sum."""
    assert prices.cost_of(measured(energy_j)) == (cost and pytest.approx(cost))
    assert prices.are_set == (prices != Prices())


def test_a_prompt_that_was_refused_costs_nothing() -> None:
    """Its tokens were counted, and no engine computed them."""
    clock = ManualClock()
    rec = recorder(clock)
    record = open_record(rec, clock)
    rec.tokens(record, 9000)
    rec.close(record, Ended(Status.ERROR, 400, "context_length_exceeded"))
    assert Prices(per_input_token=1.0).cost_of(record) == 0.0
