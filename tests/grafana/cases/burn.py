"""Cases of the burn-rate alerts. Counts per step are multiples of 60, so that rates are whole and a
threshold is met exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.grafana.cases.case import FIRES, MODEL, QUIET, Case

REQUESTS = "firsttoken_requests_total"
TTFT = "gen_ai_server_time_to_first_token_seconds"


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier's name, its limits in thousandths, its floor, at which step its long window is full, and the
    step in minutes.
    """

    name: str
    failed: int
    late: int
    floor: int
    full: int
    minutes: int

    @property
    def at(self) -> str:
        """When a case is looked at."""
        return f"{self.full * self.minutes}m"

    @property
    def step(self) -> str:
        """In promtool's words."""
        return f"{self.minutes}m"


TIERS = (
    Tier("Fast", 144, 720, 20, 65, 1),
    Tier("Slow", 60, 300, 50, 75, 5),
    Tier("Ticket", 10, 50, 200, 75, 60),
)
STEPS = 90
"""Longer than any case."""


def _outcomes(**counts: str) -> dict[str, str]:
    none = {"ok": "0x600", "failed": "0x600", "client_error": "0x600", "cancelled": "0x600"}
    return {
        f'{REQUESTS}{{{MODEL},outcome="{outcome}"}}': values for outcome, values in (none | counts).items()
    }


def _first_tokens(early: str, every: str) -> dict[str, str]:
    return {
        f'{TTFT}_bucket{{{MODEL},le="2.5"}}': early,
        f'{TTFT}_bucket{{{MODEL},le="+Inf"}}': every,
        f"{TTFT}_count{{{MODEL}}}": every,
    }


def _per_step(thousandths: int, tier: Tier) -> str:
    return f"0+{60 * tier.minutes * thousandths}x{STEPS}"


def _availability(tier: Tier) -> Iterator[Case]:
    alert, at, n = f"FirsttokenAvailability{tier.name}Burn", tier.at, STEPS
    sides = {
        "none fails": (0, QUIET),
        "below the threshold": (tier.failed - 1, QUIET),
        "at the threshold": (tier.failed, QUIET),
    }
    for name, (failed, fires) in (sides | {"above the threshold": (tier.failed + 1, FIRES)}).items():
        yield Case(
            alert,
            name,
            fires,
            at,
            _outcomes(ok=_per_step(1000 - failed, tier), failed=_per_step(failed, tier)),
            tier.step,
        )
    yield Case(alert, "all fail", FIRES, at, _outcomes(failed=_per_step(1000, tier)), tier.step)
    yield Case(alert, "nobody asks", QUIET, at, _outcomes(), tier.step)
    clients = _outcomes(
        ok=_per_step(500, tier), cancelled=_per_step(500, tier), client_error=_per_step(500, tier)
    )
    yield Case(alert, "clients leave or are wrong", QUIET, at, clients, tier.step)
    quiet_for = tier.full - 4
    few = _outcomes(
        ok=f"0x{quiet_for} {tier.floor // 2 - 1}x{n}", failed=f"0x{quiet_for} {tier.floor // 2}x{n}"
    )
    yield Case(alert, "half fail, of too few", QUIET, at, few, tier.step)
    enough = _outcomes(
        ok=f"0x{quiet_for} {tier.floor // 2}x{n}", failed=f"0x{quiet_for} {tier.floor // 2}x{n}"
    )
    yield Case(alert, "half fail after a quiet time, of just enough", FIRES, at, enough, tier.step)


def _ttft(tier: Tier) -> Iterator[Case]:
    alert, at, n = f"FirsttokenTtft{tier.name}Burn", tier.at, STEPS
    sides = {
        "none is late": (0, QUIET),
        "below the threshold": (tier.late - 1, QUIET),
        "at the threshold": (tier.late, QUIET),
    }
    for name, (late, fires) in (sides | {"above the threshold": (tier.late + 1, FIRES)}).items():
        yield Case(
            alert,
            name,
            fires,
            at,
            _first_tokens(_per_step(1000 - late, tier), _per_step(1000, tier)),
            tier.step,
        )
    yield Case(alert, "all are late", FIRES, at, _first_tokens(f"0x{n}", _per_step(1000, tier)), tier.step)
    yield Case(alert, "there is none", QUIET, at, _first_tokens(f"7x{n}", f"9x{n}"), tier.step)
    quiet_for = tier.full - 4
    yield Case(
        alert,
        "all are late, of too few",
        QUIET,
        at,
        _first_tokens(f"0x{n}", f"0x{quiet_for} {tier.floor - 1}x{n}"),
        tier.step,
    )
    yield Case(
        alert,
        "all are late, of just enough",
        FIRES,
        at,
        _first_tokens(f"0x{n}", f"0x{quiet_for} {tier.floor}x{n}"),
        tier.step,
    )


OVER = (
    Case(
        "FirsttokenAvailabilityFastBurn",
        "it is over",
        QUIET,
        "75m",
        _outcomes(ok="0+480x80", failed="0+120x62 7440x20"),
    ),
    Case(
        "FirsttokenAvailabilitySlowBurn",
        "it is over",
        QUIET,
        "400m",
        _outcomes(ok="0+480x90", failed="0+120x70 8400x20"),
        "5m",
    ),
    Case(
        "FirsttokenAvailabilityTicketBurn",
        "it is over",
        QUIET,
        "4800m",
        _outcomes(ok="0+480x90", failed="0+120x72 8640x20"),
        "60m",
    ),
    Case(
        "FirsttokenAvailabilityFastBurn",
        "two of ten",
        QUIET,
        "65m",
        _outcomes(ok="0x61 8x20", failed="0x61 2x20"),
    ),
    Case("FirsttokenTtftFastBurn", "it is over", QUIET, "75m", _first_tokens("0x62 600+600x20", "0+600x80")),
)

BURN_CASES = (*(case for tier in TIERS for case in (*_availability(tier), *_ttft(tier))), *OVER)
