"""Service-level objectives: what share of requests was good, how
fast the budget for the others is spent, and what that means; pure.

Burn rates and windows are those of the SRE workbook, chapter 5 ("Alerting
on SLOs"): a state holds while both windows of its rule are over its factor,
so that it begins late enough to matter and ends soon after the cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

AVAILABILITY, TTFT, INTER_TOKEN = "availability", "ttft", "inter_token"
"""Names of the objectives: answered requests, times to first token, gaps between tokens."""

BURN_MINUTES = (5, 30, 60, 360)
"""Windows of the burn rates."""


class State(StrEnum):
    """The state of an objective, by burn rates and budget:
    `used_up` is a budget that is spent and does not burn now.
    """

    OK = "ok"
    USED_UP = "used_up"
    SLOW_BURN = "slow_burn"
    FAST_BURN = "fast_burn"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class BurnRule:
    """A state, and the burn rate that both of its windows (minutes) must be over."""

    state: State
    factor: float
    long_minutes: int
    short_minutes: int


BURN_RULES = (BurnRule(State.FAST_BURN, 14.4, 60, 5), BurnRule(State.SLOW_BURN, 6.0, 360, 30))


@dataclass(frozen=True, slots=True)
class Objective:
    """`share` of all must be good; `threshold_ms` is what is good of a time, None for availability."""

    name: str
    share: float
    threshold_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of requests (or gaps) in all, and of the bad ones among them."""

    total: int = 0
    bad: int = 0

    @property
    def good_share(self) -> float | None:
        """Of nothing there is no share."""
        return None if not self.total else 1 - self.bad / self.total


NOTHING = Counts()


@dataclass(frozen=True, slots=True)
class ObjectiveReport:
    """One objective at one moment, `at_s` (Unix seconds): every figure was read then. `counts` are over the
    objective's own window of `window_days`; None: not measured there.

    `budget_left` is 1 when nothing was spent, 0 when all was, below 0 when more; `burns` are burn rates by
    minutes (1 is as fast as allowed), None where there were no requests.
    """

    objective: Objective
    window_days: float
    counts: Counts | None
    burns: Mapping[int, float | None]
    state: State
    at_s: float

    @property
    def achieved(self) -> float | None:
        """The share that was good, over the objective's window."""
        return None if self.counts is None else self.counts.good_share

    @property
    def budget_left(self) -> float | None:
        """Of the objective's window."""
        return None if self.counts is None else budget_left(self.objective, self.counts)

    def age_s(self, now_s: float) -> float:
        """The age of the figures; a clock that was set back makes none of the future."""
        return max(0.0, now_s - self.at_s)


def burn(objective: Objective, counts: Counts) -> float | None:
    """The burn rate: how many times faster than allowed the budget is spent, exactly as fast where that is so
    (9 digits); None without requests.
    """
    return round(counts.bad / counts.total / (1 - objective.share), 9) if counts.total else None


def budget_left(objective: Objective, counts: Counts) -> float | None:
    """The part of a window's budget that is left, 0 where
    exactly all of it is spent; None without requests.
    """
    spent = burn(objective, counts)
    return None if spent is None else round(1 - spent, 9)


def report(
    objective: Objective,
    window_days: float,
    recent: Mapping[int, Counts],
    whole: Counts | None,
    at_s: float = 0.0,
) -> ObjectiveReport:
    """The report from the counts of the burn windows and of the
    objective's own window, all read at `at_s`.
    """
    burns = {minutes: burn(objective, recent.get(minutes, NOTHING)) for minutes in BURN_MINUTES}
    state = state_of(burns, None if whole is None else budget_left(objective, whole))
    return ObjectiveReport(objective, window_days, whole, burns, state, at_s)


def state_of(burns: Mapping[int, float | None], left: float | None) -> State:
    """The gravest state both of whose windows are over their factor, else
    whether the budget is used up; without requests nothing burns.
    """
    for rule in BURN_RULES:
        rates = burns.get(rule.long_minutes), burns.get(rule.short_minutes)
        if all(rate is not None and rate > rule.factor for rate in rates):
            return rule.state
    return State.USED_UP if left is not None and left <= 0 else State.OK
