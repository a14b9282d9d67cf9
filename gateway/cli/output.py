"""What is printed and how: JSON for programs, rich text for people, and secrets for nobody."""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager

import msgspec
from rich.console import Console
from rich.measure import Measurement
from rich.progress import Progress, ProgressColumn
from rich.table import Table
from rich.text import Text

from telemetry.byte_sizes import byte_size as size
from telemetry.redact import without_passwords as redact

UNBOUNDED = 1_000_000
"""More columns than any table has."""

console = Console()
errors = Console(stderr=True)

__all__ = [
    "CommandError",
    "bar",
    "console",
    "errors",
    "fail",
    "fail_json",
    "print_json",
    "redact",
    "show",
    "size",
    "spinner",
    "table",
]


def print_json(value: object) -> None:
    """One line of JSON on standard output, flushed."""
    sys.stdout.write(msgspec.json.encode(value, enc_hook=str).decode() + "\n")
    sys.stdout.flush()


def fail(message: str) -> None:
    """One plain line on standard error: what is wrong and what to do."""
    errors.print(f"[red]error:[/red] {_escape(redact(message))}", highlight=False, soft_wrap=True)


class CommandError(RuntimeError):
    """A verb cannot do what it was asked to; the text says why and what to do."""


def bar(*columns: ProgressColumn, quiet: bool = False) -> Progress:
    """How far something is, on standard error, for a person at a terminal only; it is gone when it has
    ended.
    """
    return Progress(*columns, console=errors, disable=quiet or not errors.is_terminal, transient=True)


@contextmanager
def spinner(text: str, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """The same where nobody knows how far it is; gives what changes the text."""
    if quiet or not errors.is_terminal:
        yield lambda _text: None
        return
    with errors.status(text) as status:
        yield status.update


def fail_json(message: str, kind: str) -> None:
    """What `fail` says, for programs: one object on standard output, where a verb's answer would be."""
    print_json({"error": {"type": kind, "message": redact(message)}})


def table(*columns: str, figures: Container[str] = ()) -> Table:
    """An empty table in the one style that all verbs use, with `figures` to the right; print it with
    `show`.
    """
    grid = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        grid.add_column(column, no_wrap=True, justify="right" if column in figures else "left")
    return grid


def show(*layouts: Table | Sequence[Table]) -> None:
    """Print the first layout (a table, or several) that is whole at the terminal's width; else the first
    one's rows, a line per value.

    A figure that is cut reads as another one, so nothing ever is: a line that is still too long wraps in the
    terminal.
    """
    candidates = [[layout] if isinstance(layout, Table) else layout for layout in layouts]
    for grids in candidates:
        if all(_natural_width(grid) <= console.width for grid in grids):
            console.print(*grids, sep="\n", highlight=False)
            return
    console.print(_below_each_other(candidates[0][0]), highlight=False, soft_wrap=True)


def _natural_width(grid: Table) -> int:
    return Measurement.get(console, console.options.update(width=UNBOUNDED), grid).maximum


def _below_each_other(grid: Table) -> Text:
    """Each row as lines `column  value`, with an empty line between rows."""
    columns = [
        (Text.from_markup(str(column.header).replace("\n", " ")), list(column.cells))
        for column in grid.columns
    ]
    wide = max(header.cell_len for header, _ in columns) + 2
    text = Text()
    for row in range(grid.row_count):
        text.append("\n" if row else "")
        for header, cells in columns:
            lines = Text.from_markup(str(cells[row])).split("\n", allow_blank=True)
            label = header.copy()
            label.stylize("bold")
            text.append_text(label).append(" " * (wide - header.cell_len))
            text.append_text(Text("\n" + " " * wide).join(lines)).append("\n")
    text.rstrip()
    return text


def _escape(text: str) -> str:
    """Square brackets in a message are text, not markup."""
    return text.replace("[", r"\[")
