"""`firsttoken stats`: what was measured, per model and context size, engine configuration or day."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from gateway.cli.database import work_with
from gateway.cli.known_models import check_known
from gateway.cli.options import ConfigOption, HomeOption, JsonOption, effective_settings
from gateway.cli.output import console, print_json, show, table
from gateway.settings.load import Settings
from telemetry.context_buckets import ContextBuckets
from telemetry.store.queries.windows import By, Window, window_of

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from telemetry.store.queries.report import ReportRow

NOT_MEASURED = "-"
COUNTERS = ("requests", "errors", "cached")
PERCENTILES = ("p50", "p95", "p5")
"""All that some measure shows, in the order of their lines."""


SLOW_RATE = ("p50", "p5")
"""The slow side of a rate is below its median."""


@dataclass(frozen=True, slots=True)
class _Measure:
    """A column of figures: which field of a row, and which of its percentiles are shown."""

    name: str
    unit: str
    field: str
    percentiles: tuple[str, ...] = ("p50", "p95")

    def figures(self, row: ReportRow) -> dict[str, str]:
        """Percentile → figure; nothing where it was not measured."""
        spread = getattr(row, self.field)
        found = {name: getattr(spread, name) for name in self.percentiles}
        return {name: _short(value) for name, value in found.items()} if None not in found.values() else {}


MEASURES = (
    _Measure("queue", "ms", "queue_ms"),
    _Measure("TTFT", "ms", "ttft_ms"),
    _Measure("prompt", "t/s", "prompt_rate", SLOW_RATE),
    _Measure("output", "t/s", "output_rate", SLOW_RATE),
    _Measure("inter-token", "ms", "inter_token_ms"),
)

ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="Only this model.", show_default=False)
]
SinceOption = Annotated[
    str, typer.Option("--since", metavar="AGE", help="How far back: 90m, 36h, 7d, 2w or all.")
]
ByOption = Annotated[
    By,
    typer.Option("--by", help="What the rows are: context (bucket), config (engine configuration) or day."),
]
CsvOption = Annotated[
    bool, typer.Option("--csv", metavar="", help="Print CSV, every measure with count, p50, p95, p99 and p5.")
]


def stats(
    context: typer.Context,
    model: ModelOption = None,
    since: SinceOption = "24h",
    by: ByOption = By.CONTEXT,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    csv: CsvOption = False,
) -> None:
    """Show speeds, waits, cache share and errors from the store; no server needs to run."""
    if as_json and csv:
        raise typer.BadParameter("choose --json or --csv")
    try:
        window = window_of(since)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from None
    effective = effective_settings(context, home, config)
    rows = _read(effective, window, by, model)
    if as_json:
        print_json({"since": window.key, "by": by, "model": model, "rows": rows})
    elif csv:
        from telemetry.store.queries.report import as_csv

        typer.echo(as_csv(rows), nl=False)
    else:
        _print(rows, window, by, model)


def _read(effective: Settings, window: Window, by: By, model: str | None) -> list[ReportRow]:
    from telemetry.store.queries.report import report

    buckets = ContextBuckets(effective.telemetry.context_buckets).labels

    async def read(reader: AsyncEngine) -> list[ReportRow]:
        await check_known(reader, effective, model)
        return await report(reader, window, by, time.time(), model=model, buckets=buckets)

    return work_with(effective, read)


def _print(rows: Sequence[ReportRow], window: Window, by: By, model: str | None) -> None:
    """One table per model, in the widest layout that is whole at the terminal's width."""
    if not rows:
        console.print(
            f"No requests{f' of {escape(model)}' if model else ''} in this window ({window.label}).",
            highlight=False,
        )
    for name in dict.fromkeys(row.model for row in rows):
        own = [row for row in rows if row.model == name]
        console.print(
            f"[bold]{escape(name) or 'no model that is served'}[/bold]  {window.label}",
            highlight=False,
            soft_wrap=True,
        )
        counted, measured = _table(own, by.value, COUNTERS, ()), _table(own, by.value, (), MEASURES)
        show(_wide(own, by.value), _table(own, by.value, COUNTERS, MEASURES), (counted, measured))
    if rows:
        console.print(
            "p95 is the slow side of a time, p5 that of a rate; cached: of the prompt tokens of requests that"
            " got their first token",
            highlight=False,
        )


def _wide(rows: Sequence[ReportRow], group: str) -> Table:
    """A line per row: the percentiles of a measure stand beside each other."""
    columns = [
        *COUNTERS,
        *(f"{measure.name} {measure.unit}\n{' / '.join(measure.percentiles)}" for measure in MEASURES),
    ]
    grid = table(group, *columns, figures=columns)
    for row in rows:
        figures = [" / ".join(measure.figures(row).values()) or NOT_MEASURED for measure in MEASURES]
        grid.add_row(_group(row), *_counts(row), *figures)
    return grid


def _table(
    rows: Sequence[ReportRow], group: str, counters: Sequence[str], measures: Sequence[_Measure]
) -> Table:
    """The percentiles of a measure stand below each other, a line for each."""
    labels = [label for label in PERCENTILES if any(label in measure.percentiles for measure in measures)]
    figures = [f"{measure.name}\n{measure.unit}" for measure in measures]
    grid = table(group, *counters, *([""] if labels else []), *figures, figures=[*counters, *figures])
    for row in rows:
        columns = [measure.figures(row) for measure in measures]
        below = [
            "\n".join(column.get(label, "") for label in labels) if column else NOT_MEASURED
            for column in columns
        ]
        grid.add_row(
            _group(row), *(_counts(row) if counters else []), *(["\n".join(labels)] if labels else []), *below
        )
    return grid


def _group(row: ReportRow) -> str:
    return escape(row.group) or "not known"


def _counts(row: ReportRow) -> list[str]:
    """The cells of `COUNTERS`."""
    share = NOT_MEASURED if row.cached_share is None else f"{row.cached_share:.0%}"
    return [f"{row.requests:,}", f"{row.errors:,}", share]


def _short(value: float) -> str:
    """Three significant digits or so."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
