"""What is printed and how: JSON for programs, rich text for people, and secrets for nobody."""

from __future__ import annotations

import sys

import msgspec
from rich.console import Console
from rich.table import Table

from telemetry.redact import without_passwords as redact

console = Console()
errors = Console(stderr=True)

__all__ = ["CommandError", "console", "errors", "fail", "fail_json", "print_json", "redact", "size", "table"]


def print_json(value: object) -> None:
    """One line of JSON on standard output, flushed."""
    sys.stdout.write(msgspec.json.encode(value, enc_hook=str).decode() + "\n")
    sys.stdout.flush()


def fail(message: str) -> None:
    """One plain line on standard error: what is wrong and what to do."""
    errors.print(f"[red]error:[/red] {_escape(redact(message))}", highlight=False, soft_wrap=True)


class CommandError(RuntimeError):
    """A verb cannot do what it was asked to; the text says why and what to do."""


def fail_json(message: str, kind: str) -> None:
    """What `fail` says, for programs: one object on standard output, where a verb's answer would be."""
    print_json({"error": {"type": kind, "message": redact(message)}})


def table(*columns: str) -> Table:
    """An empty table in the one style that all verbs use; the last column folds."""
    grid = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        grid.add_column(column, overflow="fold", no_wrap=column != columns[-1])
    return grid


def size(size_bytes: int) -> str:
    """Bytes in decimal units, as file managers show them."""
    amount, unit = float(size_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def _escape(text: str) -> str:
    """Square brackets in a message are text, not markup."""
    return text.replace("[", r"\[")
