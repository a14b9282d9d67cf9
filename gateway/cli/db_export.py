"""`firsttoken db export`: all requests of a range as lines of JSON, CSV or Parquet."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gateway.cli.database import work_with
from gateway.cli.options import ConfigOption, HomeOption, JsonOption, effective_settings
from gateway.cli.output import CommandError, print_json
from telemetry.store.formats import Format
from telemetry.store.queries.windows import window_of

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from telemetry.store.export import Range, Writer

FormatOption = Annotated[Format, typer.Option("--format", help="jsonl, csv or parquet (needs pip install 'firsttoken[parquet]').")]
OutputOption = Annotated[Path, typer.Option("--output", "-o", help="File to write; - is standard output.")]
SinceOption = Annotated[str, typer.Option("--since", help="From when: 36h, 7d (before now), or a time (UTC) like 2026-11-23T14:00.")]
UntilOption = Annotated[str, typer.Option("--until", help="Until when, likewise; the requests of that moment are left out.")]
ContentOption = Annotated[bool, typer.Option("--content", help="Also what was said in each request, where that is kept.")]
ModelOption = Annotated[str | None, typer.Option("--model", help="Only this model.", show_default=False)]


def export(
    context: typer.Context,
    output: OutputOption = Path("-"),
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
    from telemetry.store.export import Range, writer

    if as_json and str(output) == "-":
        raise typer.BadParameter("--json tells about a file: give --output")
    wanted = Range(_moment("--since", since), _moment("--until", until), model)
    effective = effective_settings(context, home, config)
    with _opened(output) as file:
        try:
            pages = writer(form, file, content=content)
        except ModuleNotFoundError:
            raise CommandError("Parquet needs pyarrow: pip install 'firsttoken[parquet]'") from None
        exported = work_with(effective, lambda reader: _export(reader, wanted, pages, content=content, quiet=as_json or str(output) == "-"))
    if as_json:
        print_json({"exported": exported, "output": output, "format": form})
    elif str(output) != "-":
        Console(stderr=True).print(f"{exported:,} requests in {output}", highlight=False, soft_wrap=True)


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


@contextmanager
def _opened(output: Path) -> Iterator[IO[bytes]]:
    """Standard output, or a file that takes its name when everything is in it.

    Raises:
        CommandError: it cannot be written.
    """
    if str(output) == "-":
        yield sys.stdout.buffer
        return
    partial = output.with_name(f"{output.name}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(output)
    except OSError as error:
        raise CommandError(f"cannot write {output}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


async def _export(reader: AsyncEngine, wanted: Range, writer: Writer, *, content: bool, quiet: bool) -> int:
    from telemetry.store.export import count, pages

    columns = (TextColumn("exporting requests"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    exported = 0
    with Progress(*columns, console=Console(stderr=True), disable=quiet, transient=True) as progress:
        task = progress.add_task("", total=await count(reader, wanted))
        async for records in pages(reader, wanted, content=content):
            writer.page(records)
            exported += len(records)
            progress.update(task, completed=exported)
        writer.close()
    return exported
