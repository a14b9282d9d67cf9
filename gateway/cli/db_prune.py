"""`firsttoken db prune`: forget old requests and statistics now, by the settings or by what is given."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.database import work_with
from gateway.cli.options import ConfigOption, HomeOption, JsonOption, effective_settings
from gateway.cli.output import console, print_json, spinner
from telemetry.store.queries.windows import minutes_of

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from telemetry.store.retention import Retention

DAY_MINUTES = 24 * 60

OlderOption = Annotated[
    str | None,
    typer.Option(
        "--older-than",
        metavar="AGE",
        help="Forget requests older than this: 12h, 30d, 8w; default store.retention_days.",
        show_default=False,
    ),
]
BytesOption = Annotated[
    int | None,
    typer.Option(
        "--max-bytes",
        metavar="BYTES",
        min=1,
        help="Forget the oldest requests until so much is used; default store.max_bytes.",
        show_default=False,
    ),
]
DryOption = Annotated[
    bool, typer.Option("--dry-run", metavar="", help="Only say how many requests are too old.")
]


def prune(
    context: typer.Context,
    older_than: OlderOption = None,
    max_bytes: BytesOption = None,
    dry_run: DryOption = False,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Forget requests that are too old or too many, with their phases, and old contents and statistics;
    safe beside a running server.
    """
    from gateway.settings.retention import retention_of

    if max_bytes is not None and not effective_settings(context, home, config).store_url.startswith("sqlite"):
        raise typer.BadParameter(
            "only SQLite has a size that falls when rows go; use --older-than", param_hint="--max-bytes"
        )
    retention = retention_of(effective := effective_settings(context, home, config))
    days = retention.request_days if older_than is None else _days(older_than)
    retention = replace(
        retention, request_days=days, max_bytes=retention.max_bytes if max_bytes is None else max_bytes
    )
    if dry_run:
        too_old = work_with(effective, lambda reader: _too_old(reader, days))
        _tell(
            {"would_prune": too_old},
            f"{too_old:,} requests are older than {days:g} days" if days else "requests are kept for ever",
            as_json=as_json,
        )
        return
    pruned, contents = work_with(
        effective, lambda writer: _prune(writer, retention, quiet=as_json), write=True, told=""
    )
    words = f"{pruned:,} requests forgotten" + (
        f", and what was said in {contents:,} others" if contents else ""
    )
    _tell({"pruned": pruned, "pruned_contents": contents}, words, as_json=as_json)


def _days(text: str) -> float:
    try:
        return minutes_of(text) / DAY_MINUTES
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--older-than") from None


async def _too_old(reader: AsyncEngine, days: float) -> int:
    from telemetry.store.export import Range, count

    return await count(reader, Range(until=datetime.now(UTC) - timedelta(days=days))) if days else 0


async def _prune(writer: AsyncEngine, retention: Retention, *, quiet: bool) -> tuple[int, int]:
    """Requests forgotten, and contents of those that stay."""
    from telemetry.store.retention import Pruner

    pruner = Pruner(retention)
    with spinner("forgetting requests …", quiet=quiet) as tell:
        while pruner.wait_s() == 0:
            await pruner.run_once(writer)
            tell(f"{pruner.pruned:,} requests forgotten …")
    return pruner.pruned, pruner.contents_pruned


def _tell(answer: dict[str, int], words: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        console.print(words, highlight=False)
