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
    """The energy of a request that runs: not known yet."""
    if not report.sources:
        return (Fact("energy", formats.NOT_MEASURED, report.words),)
    return (Fact("energy", "not yet", UNTIL_ENDED),)


def request_energy(row: RequestRow, report: Report, prices: Prices) -> tuple[Fact, ...]:
    """The energy of a recorded request, joules per token, and its cost where anything has a price."""
    note = _why_not(report) if row.energy_j is None else f"{WHOSE}; {report.words}"
    facts = [Fact("energy", formats.joules(row.energy_j), note), _per_token(row)]
    if row.cost is not None or prices.are_set:
        facts.append(_cost(row, prices))
    return tuple(facts)


def _why_not(report: Report) -> str:
    """The reason why a figure is not there; the report is of now, the request may be of long ago."""
    return "not read while it ran" if report.sources else report.words


def _per_token(row: RequestRow) -> Fact:
    """Requests without an answer of tokens (embeddings) have the figure for their prompt."""
    kind = "output" if row.completion_tokens else "prompt"
    tokens = row.completion_tokens or row.prompt_tokens
    if row.energy_j is None or not tokens:
        why = "" if row.energy_j is None else "it has no tokens"
        return Fact("energy per token", formats.NOT_MEASURED, why)
    note = "prefill included" if kind == "output" else ""
    return Fact(f"energy per {kind} token", formats.joules(row.energy_j / tokens), note)


def _cost(row: RequestRow, prices: Prices) -> Fact:
    if row.cost is not None:
        shown = formats.amount(row.cost, prices.currency)
        return Fact("cost", shown, "by the prices that were set when it ended")
    if prices.per_kwh is not None and row.energy_j is None:
        return Fact("cost", formats.NOT_MEASURED, "energy has a price and was not measured")
    return Fact("cost", formats.NOT_MEASURED, "nothing had a price when it ended")


def energy_facts(groups: Sequence[Totals], report: Report, prices: Prices) -> tuple[Fact, ...]:
    """The energy of all requests of these groups together; each sum says of how many requests it is."""
    requests = sum(group.requests for group in groups)
    facts = [_energy_of(groups, requests, report), _energy_per_token(groups)]
    costed = sum(group.cost_requests for group in groups)
    if costed or prices.are_set:
        cost = sum(group.cost for group in groups)
        shown = formats.amount(cost, prices.currency) if costed else formats.NOT_MEASURED
        facts.append(Fact("cost", shown, _of_requests(costed, requests)))
    return tuple(facts)


def _energy_of(groups: Sequence[Totals], requests: int, report: Report) -> Fact:
    measured = sum(group.energy_requests for group in groups)
    if not measured:
        why = "of no request in this window" if report.sources else report.words
        return Fact("energy", formats.NOT_MEASURED, why)
    energy_j = sum(group.energy_j for group in groups)
    note = f"{energy_j / JOULES_PER_KWH:.3g} kWh, {_of_requests(measured, requests)}"
    return Fact("energy", formats.joules(energy_j), note)


def _energy_per_token(groups: Sequence[Totals]) -> Fact:
    energy_j, tokens = sum(group.energy_j for group in groups), sum(group.energy_tokens for group in groups)
    per_token = energy_j / tokens if tokens else None
    return Fact("energy per output token", formats.joules(per_token), "prefill included")


def _of_requests(measured: int, requests: int) -> str:
    return f"of {formats.count(measured)} of {formats.count(requests)} requests"
