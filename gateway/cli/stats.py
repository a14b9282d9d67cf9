"""`firsttoken stats`: what was measured, per model and context size, engine configuration or day."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from gateway.cli.database import work_with
from gateway.cli.options import ConfigOption, HomeOption, JsonOption, effective_settings
from gateway.cli.output import console, print_json, table
from gateway.settings import Settings
from telemetry.context_buckets import ContextBuckets
from telemetry.store.queries.windows import By, Window, window_of

if TYPE_CHECKING:
    from telemetry.store.queries.report import ReportRow

NOT_MEASURED = "-"

ModelOption = Annotated[str | None, typer.Option("--model", help="Only this model.", show_default=False)]
SinceOption = Annotated[str, typer.Option("--since", help="How far back: 90m, 36h, 7d, 2w or all.")]
ByOption = Annotated[By, typer.Option("--by", help="What the rows are: context (bucket), config (engine configuration) or day.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV, every measure with count, p50, p95, p99 and p5.")]


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
    return work_with(effective, lambda reader: report(reader, window, by, time.time(), model=model, buckets=buckets))


def _print(rows: Sequence[ReportRow], window: Window, by: By, model: str | None) -> None:
    """One table per model: medians with their slow side, that of a time above them and that of a rate below."""
    if not rows:
        console.print(f"No requests{f' of {escape(model)}' if model else ''} in this window ({window.label}).", highlight=False)
    for name in dict.fromkeys(row.model for row in rows):
        console.print(
            f"[bold]{escape(name) or 'no model that is served'}[/bold]  {window.label}, p50 / slow side (p95 of a time, p5 of a rate)",
            highlight=False,
        )
        grid = table(by.value, "requests", "errors", "cached", "queue ms", "TTFT ms", "prompt t/s", "output t/s", "inter-token ms")
        for row in rows:
            if row.model == name:
                grid.add_row(*_cells(row))
        console.print(grid)
    if rows:
        console.print("cached: of the prompt tokens of requests that got their first token", highlight=False)


def _cells(row: ReportRow) -> list[str]:
    share = NOT_MEASURED if row.cached_share is None else f"{row.cached_share:.0%}"
    times, rates = (row.queue_ms, row.ttft_ms, row.inter_token_ms), (row.prompt_rate, row.output_rate)
    queue, ttft, inter_token = (_pair(spread.p50, spread.p95) for spread in times)
    prompt, output = (_pair(spread.p50, spread.p5) for spread in rates)
    return [escape(row.group) or "not known", f"{row.requests:,}", f"{row.errors:,}", share, queue, ttft, prompt, output, inter_token]


def _pair(middle: float | None, slow: float | None) -> str:
    return NOT_MEASURED if middle is None or slow is None else f"{_short(middle)} / {_short(slow)}"


def _short(value: float) -> str:
    """Three significant digits or so."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
