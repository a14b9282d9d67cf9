"""`firsttoken db export`: all requests of a range as lines of JSON, CSV or Parquet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import IO, TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from gateway.cli.database import work_with
from gateway.cli.known_models import check_known
from gateway.cli.options import ConfigOption, HomeOption, JsonOption, effective_settings
from gateway.cli.output import CommandError, bar, errors, print_json
from gateway.cli.output_file import STDOUT, ForceOption, OutputOption, opened
from telemetry.store.formats import Format
from telemetry.store.queries.windows import window_of

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from telemetry.store.export import Range, Writer

FormatOption = Annotated[
    Format, typer.Option("--format", help="Of the rows; parquet needs pip install 'firsttoken\\[parquet]'.")
]
SinceOption = Annotated[
    str,
    typer.Option(
        "--since",
        metavar="TIME",
        help="From when: 36h, 7d (before now), or a time (UTC) like 2026-11-23T14:00.",
    ),
]
UntilOption = Annotated[
    str,
    typer.Option(
        "--until", metavar="TIME", help="Until when, likewise; the requests of that moment are left out."
    ),
]
ContentOption = Annotated[
    bool,
    typer.Option("--content", metavar="", help="Also what was said in each request, where that is kept."),
]
ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="Only this model.", show_default=False)
]


def export(
    context: typer.Context,
    output: OutputOption = STDOUT,
    force: ForceOption = False,
    form: FormatOption = Format.JSONL,
    since: SinceOption = "",
    until: UntilOption = "",
    model: ModelOption = None,
    content: ContentOption = False,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the rows of `requests`, oldest first; a file appears only when it is complete."""
    if as_json and output == STDOUT:
        raise typer.BadParameter("--json tells about a file: give --output", param_hint="--json")
    wanted = _range(since, until, model)
    effective = effective_settings(context, home, config)
    quiet = as_json or output == STDOUT
    work_with(effective, lambda reader: check_known(reader, effective, model))  # before a file is begun
    with opened(output, force=force) as file:
        pages = _writer(form, file, content=content)
        exported = work_with(
            effective, lambda reader: _export(reader, wanted, pages, content=content, quiet=quiet), told=""
        )
    if as_json:
        print_json({"exported": exported, "output": output, "format": form})
    elif output != STDOUT:
        errors.print(f"{exported:,} requests in {escape(str(output))}", highlight=False, soft_wrap=True)


def _writer(form: Format, file: IO[bytes], *, content: bool) -> Writer:
    from telemetry.store.export import writer

    try:
        return writer(form, file, content=content)
    except ModuleNotFoundError:
        raise CommandError("Parquet needs pyarrow: pip install 'firsttoken[parquet]'") from None


def _range(since: str, until: str, model: str | None) -> Range:
    """What the flags say.

    Raises:
        BadParameter: a time is none, or the end is not after the beginning.
    """
    from telemetry.store.export import Range

    first, last = _moment("--since", since), _moment("--until", until)
    if first is not None and last is not None and first >= last:
        raise typer.BadParameter(
            f"{until!r} is not after --since {since!r}: no request can be in between", param_hint="--until"
        )
    return Range(first, last, model)


def _moment(flag: str, text: str) -> datetime | None:
    """A time, or that long before now; '' is none."""
    if not text:
        return None
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        try:
            minutes = window_of(text).minutes
        except ValueError:
            message = f"{text!r} is no time: write e.g. 36h, 7d, 2026-11-23 or 2026-11-23T14:00"
            raise typer.BadParameter(message, param_hint=flag) from None
        return None if minutes is None else datetime.now(UTC) - timedelta(minutes=minutes)
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given


async def _export(reader: AsyncEngine, wanted: Range, writer: Writer, *, content: bool, quiet: bool) -> int:
    from telemetry.store.export import count, pages

    columns = (TextColumn("exporting requests"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    exported = 0
    with bar(*columns, quiet=quiet) as progress:
        task = progress.add_task("", total=await count(reader, wanted))
        async for records in pages(reader, wanted, content=content):
            writer.page(records)
            exported += len(records)
            progress.update(task, completed=exported)
        writer.close()
    return exported
