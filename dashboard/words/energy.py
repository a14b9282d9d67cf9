"""Energy and cost in words: of a request, and of a model's requests in a window."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.words import formats
from dashboard.words.facts import Fact
from telemetry.cost import JOULES_PER_KWH, Prices
from telemetry.energy.sources import Report
from telemetry.store.models import RequestRow
from telemetry.store.queries.statistics import Totals

UNTIL_ENDED = "known when it has ended"
WHOSE = "by active time, shared with requests that ran beside it; idle energy is nobody's"


def pending_energy(report: Report) -> tuple[Fact, ...]:
    """Of a request that runs."""
    return (Fact("energy", "not yet", UNTIL_ENDED) if report.sources else Fact("energy", formats.NOT_MEASURED, report.words),)


def request_energy(row: RequestRow, report: Report, prices: Prices) -> tuple[Fact, ...]:
    """Of a recorded request: joules, joules per token, and cost where anything has a price."""
    note = _why_not(report) if row.energy_j is None else f"{WHOSE}; {report.words}"
    energy = Fact("energy", formats.joules(row.energy_j), note)
    return (energy, _per_token(row), *([] if row.cost is None and not prices.are_set else [_cost(row, prices)]))


def _why_not(report: Report) -> str:
    """What to say about a figure that is not there; the report is of now, the request may be of long ago."""
    return "not read while it ran" if report.sources else report.words


def _per_token(row: RequestRow) -> Fact:
    """Requests without an answer of tokens (embeddings) have the figure for their prompt."""
    tokens, kind = (row.completion_tokens, "output") if row.completion_tokens else (row.prompt_tokens, "prompt")
    if row.energy_j is None or not tokens:
        return Fact("energy per token", formats.NOT_MEASURED, "" if row.energy_j is None else "it has no tokens")
    note = "prefill included" if kind == "output" else ""
    return Fact(f"energy per {kind} token", formats.joules(row.energy_j / tokens), note)


def _cost(row: RequestRow, prices: Prices) -> Fact:
    if row.cost is not None:
        return Fact("cost", formats.amount(row.cost, prices.currency), "by the prices that were set when it ended")
    energy_is_missing = prices.per_kwh is not None and row.energy_j is None
    why = "energy has a price and was not measured" if energy_is_missing else "nothing had a price when it ended"
    return Fact("cost", formats.NOT_MEASURED, why)


def energy_facts(groups: Sequence[Totals], report: Report, prices: Prices) -> tuple[Fact, ...]:
    """Of all requests of these groups together; each sum says of how many requests it is."""
    measured, tokens = sum(group.energy_requests for group in groups), sum(group.energy_tokens for group in groups)
    requests, energy_j = sum(group.requests for group in groups), sum(group.energy_j for group in groups)
    if not measured:
        facts = [Fact("energy", formats.NOT_MEASURED, "of no request in this window" if report.sources else report.words)]
    else:
        note = f"{energy_j / JOULES_PER_KWH:.3g} kWh, of {formats.count(measured)} of {formats.count(requests)} requests"
        facts = [Fact("energy", formats.joules(energy_j), note)]
    facts.append(Fact("energy per output token", formats.joules(energy_j / tokens if tokens else None), "prefill included"))
    costed = sum(group.cost_requests for group in groups)
    if costed or prices.are_set:
        shown = formats.amount(sum(group.cost for group in groups), prices.currency) if costed else formats.NOT_MEASURED
        facts.append(Fact("cost", shown, f"of {formats.count(costed)} of {formats.count(requests)} requests"))
    return tuple(facts)
