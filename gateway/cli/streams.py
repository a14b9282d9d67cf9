"""Standard output and standard error as a program among others: whoever reads them may leave at any time, or
the disk be full.

Python would raise such an error wherever the next write happens to be, where it looks like one of the
database or of a file. Here it is an exception of its own that nothing on the way takes for its own.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, TextIO

from gateway.cli.output import CommandError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

READER_GONE = 128 + getattr(signal, "SIGPIPE", 13)
"""Exit code of a program that ended since nobody reads its output any more, as shells know it."""

UNWRITABLE = {"utf-8": "surrogateescape"}
"""What becomes of characters that an encoding lacks: file names that are no text go out as they came,
others as `?`.
"""

STDOUT, STDERR = 1, 2
NAMES = {STDOUT: "standard output", STDERR: "standard error"}


class ReaderGoneError(Exception):
    """Nobody reads what is written any more (`| head`)."""


class Raw(io.FileIO):
    """A file or stream that says which one it is when it cannot be written."""

    def __init__(self, target: int | str, name: str, mode: str = "wb") -> None:
        super().__init__(target, mode, closefd=not isinstance(target, int))
        self.told = name
        self.discarding = False
        """Whether what is written goes nowhere from now on: what is not whole is worth nothing, and nobody
        should wait for it.
        """

    def write(self, data: ReadableBuffer, /) -> int:
        """Write some.

        Raises:
            ReaderGoneError: nobody reads it.
            CommandError: it cannot be written.
        """
        if self.discarding:
            return memoryview(data).nbytes
        try:
            with _interruptible():
                return super().write(data)
        except BrokenPipeError:
            raise ReaderGoneError from None
        except OSError as error:
            raise CommandError(f"cannot write {self.told}: {error.strerror or error}") from error


@contextmanager
def buffered(raw: Raw) -> Iterator[IO[bytes]]:
    """A file that is closed at the end; after a failure (Ctrl-C) without what is still to be written."""
    file = io.BufferedWriter(raw)
    try:
        yield file
    except BaseException:
        raw.discarding = True
        raise
    finally:
        file.close()


def take_standard_streams() -> None:
    """From now on writes to standard output and error raise the exceptions of `Raw`; a stream that is
    closed takes everything.
    """
    sys.stdout, sys.stderr = _stream(STDOUT, sys.stdout), _stream(STDERR, sys.stderr)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends a write that waits for its reader; asyncio would only ask its task to end, which this
    keeps from running.
    """
    former = signal.getsignal(signal.SIGINT)
    if former in (signal.SIG_IGN, None) or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def give_up(*streams: int) -> None:
    """Let what still waits in streams go nowhere: they cannot be written, and Python would try it once
    more when it ends.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for fd in streams:
        os.dup2(nowhere, fd)
    os.close(nowhere)


def _stream(fd: int, former: TextIO | None) -> TextIO:
    if former is None:
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - it lives as long as the program
    lasting = io.BufferedWriter(Raw(fd, NAMES[fd]))
    at_once = fd != STDOUT or former.isatty()
    return io.TextIOWrapper(
        lasting,
        encoding=former.encoding,
        errors=UNWRITABLE.get(former.encoding.lower(), "replace"),
        line_buffering=at_once,
    )
