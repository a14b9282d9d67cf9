"""Series that make each alert fire, and series that must leave it quiet: at 0, at the threshold, and on
both sides of it.
"""

from __future__ import annotations

from tests.grafana.cases.burn import BURN_CASES
from tests.grafana.cases.case import Case
from tests.grafana.cases.presence import PRESENCE_CASES
from tests.grafana.cases.state import STATE_CASES

CASES: tuple[Case, ...] = (*BURN_CASES, *STATE_CASES, *PRESENCE_CASES)
