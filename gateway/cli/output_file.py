"""A file that a verb writes: it takes its name when everything is in it, and nothing that is there is
overwritten unasked.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer

from gateway.cli.output import CommandError
from gateway.cli.streams import Raw, buffered

STDOUT = Path("-")

OutputOption = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="FILE", help="File to write, which must not exist; - is standard output."
    ),
]
ForceOption = Annotated[
    bool, typer.Option("--force", "-f", metavar="", help="Overwrite the file if it exists.")
]


@contextmanager
def opened(output: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """Standard output, or a file that appears when the block has ended well; a device or pipe is written as
    it is.

    Raises:
        CommandError: it is there and may not be overwritten, or cannot be written.
    """
    if output == STDOUT:
        yield sys.stdout.buffer
        return
    target = output.expanduser().resolve()  # through a link: what it points to is written, the link stays
    try:
        if target.exists() and not target.is_file() and not target.is_dir():
            with buffered(Raw(str(target), str(output))) as file:
                yield file
            return
        check_free(output, force=force)
        with _complete_only(output, target, force=force) as file:
            yield file
    except OSError as error:
        raise CommandError(f"cannot write {output}: {error.strerror or error}") from error


def check_free(output: Path, *, force: bool) -> None:
    """Nothing is lost when this is written.

    Raises:
        CommandError: it is there.
    """
    if output.is_dir():
        raise CommandError(f"cannot write {output}: it is a folder; name a file in it")
    if output.is_file() and not force:
        raise CommandError(f"{output} exists; choose another name, or overwrite it with --force")


@contextmanager
def _complete_only(output: Path, target: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """A file beside the target, under a name that nobody has, which takes the target's place at the end."""
    descriptor, partial = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
    os.close(descriptor)
    try:
        with buffered(Raw(partial, str(output))) as file:
            yield file
        check_free(output, force=force)  # it may have been made meanwhile
        Path(partial).replace(target)
    finally:
        Path(partial).unlink(missing_ok=True)
