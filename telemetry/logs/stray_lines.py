"""Stray lines: what Python would write to standard error as plain text is a JSON line like all others.

These are warnings, exceptions that nobody caught (in any thread, or where they cannot be raised), and lines
of loggers before the log is configured and after it has stopped.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from types import TracebackType
from typing import TextIO

from telemetry.logs.output import JsonFormatter

log = logging.getLogger("python")

UNCAUGHT = "an exception that nobody caught"


@contextlib.contextmanager
def in_json() -> Iterator[None]:
    """Until the block ends."""
    former = (
        sys.excepthook,
        threading.excepthook,
        sys.unraisablehook,
        warnings.showwarning,
        logging.lastResort,
    )
    sys.excepthook, threading.excepthook, sys.unraisablehook = _uncaught, _uncaught_in_thread, _unraisable
    warnings.showwarning = _warning
    logging.lastResort = _LastResort()
    try:
        yield
    finally:
        sys.excepthook, threading.excepthook, sys.unraisablehook, warnings.showwarning, logging.lastResort = (
            former
        )


class _LastResort(logging.Handler):
    """Lines of loggers without a handler, at once, to whatever standard error is then."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):  # there is nowhere to say so
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()


def _warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del file, line  # where it would be printed, and the source text there
    log.warning("%s: %s (%s:%d)", category.__name__, message, filename, lineno)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    log.critical(UNCAUGHT, exc_info=(kind, error, trace))


def _uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    if not issubclass(failed.exc_type, SystemExit):
        log.critical(
            "%s, in the thread %s",
            UNCAUGHT,
            failed.thread.name if failed.thread else "?",
            exc_info=_of(failed),
        )


def _unraisable(failed: sys.UnraisableHookArgs) -> None:
    log.error(
        "%s: %r",
        failed.err_msg or "an exception that cannot be raised, in",
        failed.object,
        exc_info=_of(failed),
    )


def _of(
    failed: threading.ExceptHookArgs | sys.UnraisableHookArgs,
) -> tuple[type[BaseException], BaseException, TracebackType | None] | None:
    """The exception, as loggers take it."""
    return None if failed.exc_value is None else (failed.exc_type, failed.exc_value, failed.exc_traceback)
