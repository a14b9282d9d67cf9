"""The report of `firsttoken stats` and `GET /api/stats`: every measure of a window, by group."""

from __future__ import annotations

import csv
import io
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from telemetry.store.queries import groups
from telemetry.store.queries.groups import Group
from telemetry.store.queries.statistics import Percentiles, Totals
from telemetry.store.queries.windows import By, Window
from telemetry.store.rollups.measures import Measure


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One model and one context bucket, engine configuration or
    day. MeasurePercentiles: None where nothing was measured.

    `errors` and `cancelled` are parts of `requests`, whose tokens are all in `prompt_tokens` and
    `cached_tokens`. `cached_share` is of the `served_prompt_tokens`, the prompt tokens of the requests that
    got their first token: what of them the prefix cache supplied. Times are milliseconds, rates tokens per
    second; of a time p95 and p99 are the slow side, of a rate p5 is. `energy_j` and `cost` are sums over the
    requests that have one (None: none has).
    """

    model: str
    group: str
    requests: int
    errors: int
    cancelled: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cached_share: float | None
    energy_j: float | None
    joules_per_output_token: float | None
    cost: float | None
    ttft_ms: Percentiles
    queue_ms: Percentiles
    prompt_rate: Percentiles
    output_rate: Percentiles
    inter_token_ms: Percentiles
    served_prompt_tokens: int


_READERS: dict[By, Callable[[AsyncEngine, Window, float, str | None], Awaitable[list[Group]]]] = {
    By.CONTEXT: groups.by_context,
    By.CONFIG: groups.by_configuration,
    By.DAY: groups.by_day,
}


EMPTY = Group("", "", Totals(), {})
"""A group without requests: its row has every column."""


async def report(
    engine: AsyncEngine,
    window: Window,
    by: By,
    now_s: float,
    *,
    model: str | None = None,
    buckets: Sequence[str] = (),
) -> list[ReportRow]:
    """The rows of a window, by model; context buckets in the order of `buckets`, days newest first.

    Raises:
        StoreUnreadable: the database did not answer, or not in time.
    """
    found = await _READERS[by](engine, window, now_s, model)
    return (
        context_rows(found, buckets)
        if by is By.CONTEXT
        else [_row(group) for group in sorted(found, key=lambda group: group.model)]
    )


def context_rows(found: Sequence[Group], buckets: Sequence[str]) -> list[ReportRow]:
    """The rows of groups by context bucket, by model and in the order of `buckets`."""
    order = {label: index for index, label in enumerate(buckets)}
    return [
        _row(group)
        for group in sorted(
            found, key=lambda group: (group.model, order.get(group.part, len(order)), group.part)
        )
    ]


def _row(group: Group) -> ReportRow:
    totals = group.totals
    return ReportRow(
        model=group.model,
        group=group.part,
        requests=totals.requests,
        errors=totals.errors,
        cancelled=totals.cancelled,
        prompt_tokens=totals.prompt_tokens,
        cached_tokens=totals.cached_tokens,
        completion_tokens=totals.completion_tokens,
        cached_share=group.cache.share,
        energy_j=totals.joules,
        joules_per_output_token=totals.joules_per_output_token,
        cost=totals.known_cost,
        ttft_ms=group.percentiles(Measure.TTFT),
        queue_ms=group.percentiles(Measure.QUEUE),
        prompt_rate=group.percentiles(Measure.PROMPT_RATE),
        output_rate=group.percentiles(Measure.OUTPUT_RATE),
        inter_token_ms=group.percentiles(Measure.INTER_TOKEN),
        served_prompt_tokens=group.cache.tokens,
    )


def flat(row: ReportRow) -> dict[str, str | float | None]:
    """The row without nesting, for CSV: `ttft_ms.p50` becomes `ttft_ms_p50`."""
    columns: dict[str, str | float | None] = {}
    for name, value in asdict(row).items():
        columns |= (
            {f"{name}_{part}": number for part, number in value.items()}
            if isinstance(value, dict)
            else {name: value}
        )
    return columns


def as_csv(rows: Sequence[ReportRow]) -> str:
    """A header and one line per row; what was not measured is an empty field."""
    text = io.StringIO()
    writer = csv.DictWriter(text, flat(_row(EMPTY)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat(row) for row in rows)
    return text.getvalue()
